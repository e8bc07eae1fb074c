import { type ReasonCode, Rejection } from "../quarantine/reason.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const LOWER_T = 0x74;
const LOWER_F = 0x66;
const LOWER_N = 0x6e;

/** 1 for the bytes that end the plain run of a string: the quote, the backslash, control characters. */
const ENDS_PLAIN_RUN = new Uint8Array(256);
for (let i = 0; i < 0x20; i++) ENDS_PLAIN_RUN[i] = 1;
ENDS_PLAIN_RUN[QUOTE] = 1;
ENDS_PLAIN_RUN[BACKSLASH] = 1;

/** Keys of one object are compared one by one up to this number, then through a Set. */
const LINEAR_KEYS = 24;
/** More properties than any FHIR object has; the bound keeps the memory for finding equal keys small. */
const MAX_KEYS = 10_000;

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** The value of a JSON string literal, quotes included; only for literals the grammar has accepted. */
export function decodeLiteral(bytes: Buffer, start: number, end: number): string {
  return JSON.parse(bytes.toString("utf8", start, end)) as string;
}

/**
 * RFC 8259 over the bytes of one buffer, without making values. Methods take the position of a first byte and return
 * the position after the last; what breaks the grammar is thrown as a {@link Rejection}.
 *
 * Reading never checks for the end of the buffer: the byte at `end` must be a sentinel that no JSON text can hold there,
 * a LF for a line or a NUL for a document. Stricter than the RFC: lone surrogate escapes, numbers that no double can
 * hold, and equal keys in one object are refused, because the engines downstream lose or refuse them (each differently).
 */
export class JsonGrammar {
  readonly maxDepth: number;
  protected bytes: Buffer = Buffer.alloc(1);
  protected end = 0;
  /** Whether LF counts as white space: in documents, not in lines. */
  protected multiline = false;
  /** Set by {@link number}: the literal has neither fraction nor exponent. */
  protected integral = false;
  /** Set by {@link string}: the literal holds an escape. */
  protected escaped = false;

  /** The text ended within a string. */
  protected cutInString = false;
  /** A carriage return was met as white space since {@link begin}. */
  protected carriageReturn = false;

  constructor(maxDepth: number) {
    this.maxDepth = maxDepth;
  }

  protected begin(bytes: Buffer, end: number, multiline: boolean): void {
    this.bytes = bytes;
    this.end = end;
    this.multiline = multiline;
    this.carriageReturn = false;
    this.cutInString = false;
  }

  protected reject(code: ReasonCode, message: string, at: number): never {
    if (at >= this.end && code === "invalid-json") {
      throw new Rejection("truncated", "The text ends in the middle of a JSON value.", this.end);
    }
    throw new Rejection(code, message, at);
  }

  /** The position of the first byte from `p` on that is not white space. */
  protected space(p: number): number {
    const b = this.bytes;
    let at = p;
    for (;;) {
      const c = b[at]!;
      if (c === 0x0d) this.carriageReturn = true;
      else if (c !== 0x20 && c !== 0x09 && (c !== 0x0a || !this.multiline)) return at;
      at++;
    }
  }

  /** A string from the byte after its opening quote to the byte after its closing quote. */
  protected string(p: number): number {
    const b = this.bytes;
    let at = p;
    this.escaped = false;
    for (;;) {
      while (ENDS_PLAIN_RUN[b[at]!] === 0) at++;
      const c = b[at]!;
      if (c === QUOTE) return at + 1;
      if (c !== BACKSLASH) this.badStringByte(at);
      this.escaped = true;
      at = this.escape(at + 1);
    }
  }

  private badStringByte(at: number): never {
    if (at >= this.end) {
      this.cutInString = true;
      this.reject("invalid-json", "", at);
    }
    this.reject("control-character", "A string holds a raw control character; it must be escaped.", at);
  }

  /** An escape from the byte after its backslash; a high surrogate takes its low one along. */
  private escape(p: number): number {
    switch (this.bytes[p]!) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f:
      case 0x62:
      case 0x66:
      case 0x6e:
      case 0x72:
      case 0x74:
        return p + 1;
      case 0x75:
        return this.unicodeEscape(p + 1);
      default:
        return this.reject("invalid-json", "A backslash in a string starts no known escape.", p);
    }
  }

  private unicodeEscape(p: number): number {
    const unit = this.hex4(p);
    if (unit < 0xd800 || unit > 0xdfff) return p + 4;
    const b = this.bytes;
    if (unit < 0xdc00 && b[p + 4] === BACKSLASH && b[p + 5] === 0x75) {
      const low = this.hex4(p + 6);
      if (low >= 0xdc00 && low <= 0xdfff) return p + 10;
    }
    return this.reject("lone-surrogate", "A string holds half of a surrogate pair.", p);
  }

  private hex4(p: number): number {
    let unit = 0;
    for (let i = p; i < p + 4; i++) {
      const digit = hexValue(this.bytes[i]!);
      if (digit < 0) this.reject("invalid-json", "A \\u escape needs four hex digits.", i);
      unit = unit * 16 + digit;
    }
    return unit;
  }

  /** A number from its first byte. */
  protected number(p: number): number {
    const b = this.bytes;
    let at = b[p] === 0x2d ? p + 1 : p;
    const first = b[at]!;
    if (first === 0x30) at++;
    else if (isDigit(first)) at = this.digits(at + 1);
    else this.reject("invalid-json", "A JSON value was expected.", at);
    let c = b[at]!;
    this.integral = true;
    if (c === 0x2e) {
      if (!isDigit(b[at + 1]!)) this.reject("invalid-json", "A digit must follow the decimal point.", at + 1);
      at = this.digits(at + 2);
      this.integral = false;
      c = b[at]!;
    }
    if (c === 0x65 || c === 0x45) return this.exponent(p, at + 1);
    // A double holds up to 308 digits before the point; shorter literals without exponent are always finite.
    if (at - p > 300) this.checkFinite(p, at);
    return at;
  }

  private digits(p: number): number {
    const b = this.bytes;
    let at = p;
    while (isDigit(b[at]!)) at++;
    return at;
  }

  private exponent(start: number, p: number): number {
    const b = this.bytes;
    const at = b[p] === 0x2b || b[p] === 0x2d ? p + 1 : p;
    if (!isDigit(b[at]!)) this.reject("invalid-json", "A digit must follow the exponent sign.", at);
    const end = this.digits(at + 1);
    this.integral = false;
    this.checkFinite(start, end);
    return end;
  }

  private checkFinite(start: number, end: number): void {
    if (Number.isFinite(Number(this.bytes.toString("latin1", start, end)))) return;
    this.reject("non-finite-number", "A number is too great for a 64-bit float.", start);
  }

  /** `true`, `false` or `null` from its first byte. */
  protected literal(p: number): number {
    const b = this.bytes;
    const c = b[p]!;
    if (c === LOWER_T && b[p + 1] === 0x72 && b[p + 2] === 0x75 && b[p + 3] === 0x65) return p + 4;
    if (c === LOWER_N && b[p + 1] === 0x75 && b[p + 2] === 0x6c && b[p + 3] === 0x6c) return p + 4;
    if (c === LOWER_F && b[p + 1] === 0x61 && b[p + 2] === 0x6c && b[p + 3] === 0x73 && b[p + 4] === 0x65) {
      return p + 5;
    }
    const nan = c === 0x4e || c === 0x49;
    const message = nan ? "NaN and Infinity are not JSON numbers." : "A JSON value was expected.";
    return this.reject(nan ? "non-finite-number" : "invalid-json", message, this.broken(p));
  }

  /** Where a misspelt literal stops being one: the end of the text when it was cut inside the word. */
  private broken(p: number): number {
    const word = { [LOWER_T]: "true", [LOWER_F]: "false", [LOWER_N]: "null" }[this.bytes[p]!] ?? "";
    const rest = this.bytes.toString("latin1", p, Math.min(this.end, p + 5));
    return rest.length > 0 && p + rest.length === this.end && word.startsWith(rest) ? this.end : p;
  }

  /** Any value from its first byte, checked but not looked at; `depth` is the number of containers around it. */
  protected anyValue(p: number, depth: number): number {
    const c = this.bytes[p]!;
    if (c === QUOTE) return this.string(p + 1);
    if (c === OPEN_OBJECT) return this.anyObject(p + 1, depth + 1);
    if (c === OPEN_ARRAY) return this.anyArray(p + 1, depth + 1);
    if (c === 0x2d || isDigit(c)) return this.number(p);
    return this.literal(p);
  }

  private anyArray(p: number, depth: number): number {
    this.checkDepth(depth, p);
    const b = this.bytes;
    let at = this.space(p);
    if (b[at] === CLOSE_ARRAY) return at + 1;
    for (;;) {
      at = this.space(this.anyValue(at, depth));
      const c = b[at]!;
      if (c === CLOSE_ARRAY) return at + 1;
      if (c !== COMMA) this.reject("invalid-json", "A comma or the end of the array was expected.", at);
      at = this.space(at + 1);
    }
  }

  protected anyObject(p: number, depth: number): number {
    this.checkDepth(depth, p);
    const b = this.bytes;
    const keys = new KeySet(b);
    let at = this.space(p);
    if (b[at] === CLOSE_OBJECT) return at + 1;
    for (;;) {
      const keyEnd = this.key(at);
      if (!keys.add(at, keyEnd, this.escaped)) this.duplicate(at);
      if (keys.count > MAX_KEYS) this.reject("too-large", `An object has over ${MAX_KEYS} properties.`, at);
      at = this.space(this.anyValue(this.colon(keyEnd), depth));
      const c = b[at]!;
      if (c === CLOSE_OBJECT) return at + 1;
      if (c !== COMMA) this.reject("invalid-json", "A comma or the end of the object was expected.", at);
      at = this.space(at + 1);
    }
  }

  /** A key from its opening quote to after its closing one. */
  protected key(p: number): number {
    if (this.bytes[p] !== QUOTE) this.reject("invalid-json", "A property name in quotes was expected.", p);
    return this.string(p + 1);
  }

  /** From the end of a key over the colon to the first byte of the value. */
  protected colon(p: number): number {
    const at = this.space(p);
    if (this.bytes[at] !== COLON) this.reject("invalid-json", "A colon was expected.", at);
    return this.space(at + 1);
  }

  protected duplicate(at: number): never {
    return this.reject("duplicate-key", "An object has the same property twice.", at);
  }

  protected checkDepth(depth: number, at: number): void {
    if (depth <= this.maxDepth) return;
    this.reject("too-deep", `Objects and arrays are nested more than ${this.maxDepth} deep.`, at);
  }
}

/** The keys of one object, kept as positions while they are few and plain, as strings when not. */
class KeySet {
  count = 0;
  private readonly bytes: Buffer;
  private readonly spans: number[] = [];
  private decoded: Set<string> | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** False when the key (quotes included in the span) was there already. */
  add(start: number, end: number, escaped: boolean): boolean {
    this.count++;
    if (this.decoded === undefined && (escaped || this.spans.length >= 2 * LINEAR_KEYS)) this.decode();
    if (this.decoded !== undefined) {
      const before = this.decoded.size;
      return this.decoded.add(decodeLiteral(this.bytes, start, end)).size > before;
    }
    const spans = this.spans;
    for (let i = 0; i < spans.length; i += 2) {
      if (spans[i + 1]! - spans[i]! === end - start && this.equal(spans[i]!, start, end - start))
        return false;
    }
    spans.push(start, end);
    return true;
  }

  private equal(a: number, b: number, length: number): boolean {
    const bytes = this.bytes;
    for (let i = 1; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
    return true;
  }

  private decode(): void {
    this.decoded = new Set();
    for (let i = 0; i < this.spans.length; i += 2) {
      this.decoded.add(decodeLiteral(this.bytes, this.spans[i]!, this.spans[i + 1]!));
    }
  }
}
