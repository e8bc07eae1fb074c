import { fhirPathError, type Span } from "./errors.js";

/** What a token is. `identifier` includes words that are operators in some places (`div`, `is`, `contains`). */
export type TokenKind =
  | "identifier"
  | "quoted-identifier"
  | "string"
  | "number"
  | "long"
  | "date"
  | "dateTime"
  | "time"
  | "constant"
  | "variable"
  | "symbol"
  | "end";

/** One token; `value` is the text without delimiters, with escapes resolved. */
export interface Token {
  readonly kind: TokenKind;
  readonly value: string;
  readonly span: Span;
}

const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /[0-9]+(?:\.[0-9]+)?/y;
const SKIPPED = /(?:[ \t\r\n]+|\/\/[^\r\n]*|\/\*[\s\S]*?\*\/)+/y;
const CLOCK = "([01][0-9]|2[0-3])(?::[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]+)?)?)?";
const ZONE = "(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])";
const DAY = "[0-9]{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?)?";
const TIME = new RegExp(`@T${CLOCK}`, "y");
const DATE_TIME = new RegExp(`@${DAY}T(?:${CLOCK}${ZONE}?)?`, "y");
const DATE = new RegExp(`@${DAY}`, "y");
const SYMBOLS = ["<=", ">=", "!=", "!~", ..."()[]{},.*/+-&|<>=~"];

const ESCAPES: Readonly<Record<string, string>> = {
  "'": "'",
  '"': '"',
  "`": "`",
  "\\": "\\",
  "/": "/",
  r: "\r",
  n: "\n",
  t: "\t",
  f: "\f",
};

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** Reads a delimited text that starts at `at` (the opening delimiter); gives the value and the position after the end. */
function readDelimited(text: string, at: number): { value: string; end: number } {
  const delimiter = text[at]!;
  let value = "";
  for (let i = at + 1; i < text.length; ) {
    const char = text[i]!;
    if (char === delimiter) return { value, end: i + 1 };
    if (char !== "\\") {
      value += char;
      i++;
      continue;
    }
    const code = text[i + 1] ?? "";
    const hex = code === "u" ? match(/[0-9a-fA-F]{4}/y, text, i + 2) : undefined;
    const plain = Object.hasOwn(ESCAPES, code) ? ESCAPES[code] : undefined;
    if (hex !== undefined) {
      value += String.fromCharCode(Number.parseInt(hex, 16));
      i += 6;
    } else if (plain !== undefined) {
      value += plain;
      i += 2;
    } else {
      const span = { start: i, end: Math.min(i + 2, text.length) };
      throw fhirPathError("syntax", "This escape is not defined; write \\\\ for a backslash.", text, span);
    }
  }
  throw fhirPathError("syntax", `The closing ${delimiter} is missing.`, text, {
    start: at,
    end: text.length,
  });
}

function readTemporal(text: string, at: number): Token {
  const candidates = [
    ["time", TIME, 2],
    ["dateTime", DATE_TIME, 1],
    ["date", DATE, 1],
  ] as const;
  for (const [kind, pattern, skip] of candidates) {
    const found = match(pattern, text, at);
    if (found === undefined) continue;
    const end = at + found.length;
    // What follows must not look like more of the literal: @2020-13 is no date minus 13.
    if (/^(?:[0-9A-Za-z:]|-[0-9])/.test(text.slice(end, end + 2))) break;
    return { kind, value: found.slice(skip), span: { start: at, end } };
  }
  throw fhirPathError(
    "syntax",
    "A date or time literal is expected here, such as @2020-01-31, @2020-01-31T12:00:00Z or @T12:00.",
    text,
    { start: at, end: Math.min(at + 11, text.length) },
  );
}

function readNamed(text: string, at: number, kind: "constant" | "variable"): Token {
  const next = text[at + 1] ?? "";
  if (kind === "constant" && (next === "'" || next === "`")) {
    const { value, end } = readDelimited(text, at + 1);
    return { kind, value, span: { start: at, end } };
  }
  const name = match(IDENTIFIER, text, at + 1);
  if (name === undefined) {
    const what =
      kind === "constant" ? "A constant's name must follow %." : "Only $this, $index and $total exist.";
    throw fhirPathError("syntax", what, text, { start: at, end: at + 1 });
  }
  return { kind, value: name, span: { start: at, end: at + 1 + name.length } };
}

function readWord(text: string, at: number): Token | undefined {
  const identifier = match(IDENTIFIER, text, at);
  if (identifier !== undefined) {
    return { kind: "identifier", value: identifier, span: { start: at, end: at + identifier.length } };
  }
  const number = match(NUMBER, text, at);
  if (number === undefined) return undefined;
  const end = at + number.length;
  if (text[end] === "L" && !number.includes("."))
    return { kind: "long", value: number, span: { start: at, end: end + 1 } };
  return { kind: "number", value: number, span: { start: at, end } };
}

function readToken(text: string, at: number): Token {
  const char = text[at]!;
  switch (char) {
    case "'":
    case "`":
    case '"': {
      // Double quotes are no FHIRPath string; older expressions use them for delimited identifiers.
      const { value, end } = readDelimited(text, at);
      return { kind: char === "'" ? "string" : "quoted-identifier", value, span: { start: at, end } };
    }
    case "@":
      return readTemporal(text, at);
    case "%":
      return readNamed(text, at, "constant");
    case "$":
      return readNamed(text, at, "variable");
  }
  const word = readWord(text, at);
  if (word !== undefined) return word;
  const symbol = SYMBOLS.find((candidate) => text.startsWith(candidate, at));
  if (symbol !== undefined)
    return { kind: "symbol", value: symbol, span: { start: at, end: at + symbol.length } };
  throw fhirPathError("syntax", "This character has no meaning in FHIRPath.", text, {
    start: at,
    end: at + 1,
  });
}

/** The tokens of an expression, ended by one `end` token. Comments and white space are dropped. Errors: `fhirpath/syntax`. */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at += match(SKIPPED, text, at)?.length ?? 0;
    if (at >= text.length) break;
    const token = readToken(text, at);
    tokens.push(token);
    at = token.span.end;
  }
  tokens.push({ kind: "end", value: "", span: { start: text.length, end: text.length } });
  return tokens;
}
