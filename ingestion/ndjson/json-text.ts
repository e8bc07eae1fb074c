const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const REFERENCE_KEY = Buffer.from('"reference"');
const URN_PREFIX = Buffer.from('"urn:');
const NO_REFERENCES: ReadonlyMap<string, string> = new Map();

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function startsWith(bytes: Buffer, at: number, prefix: Buffer): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}

/** The position after the closing quote of the string that starts at `p`; the text is known to be valid JSON. */
function stringEnd(bytes: Buffer, p: number): number {
  let at = p + 1;
  for (let c = bytes[at]!; c !== QUOTE; c = bytes[at]!) at += c === BACKSLASH ? 2 : 1;
  return at + 1;
}

/** What {@link rewriteJson} may change. */
export interface Rewrite {
  /** Remove white space between tokens. */
  readonly compact?: boolean;
  /** New values for the property `reference` where its value is a `urn:` key of the map. */
  readonly references?: ReadonlyMap<string, string>;
}

/** Text that is put together in memory which is kept for the next one: garbage outside the heap is collected late. */
export class TextBuffer {
  bytes: Buffer = Buffer.allocUnsafeSlow(64 * 1024);
  length = 0;

  clear(): void {
    this.length = 0;
  }

  append(from: Buffer, start = 0, end = from.length): void {
    if (this.length + end - start > this.bytes.length) this.grow(end - start);
    const { bytes } = this;
    // Runs are short in indented text; for those a loop beats a call into native code.
    if (end - start > 64) from.copy(bytes, this.length, start, end);
    else for (let i = start, o = this.length; i < end; ) bytes[o++] = from[i++]!;
    this.length += end - start;
  }

  private grow(more: number): void {
    const bytes = Buffer.allocUnsafeSlow(Math.ceil(this.bytes.length * 1.5) + more);
    this.bytes.copy(bytes, 0, 0, this.length);
    this.bytes = bytes;
  }
}

/**
 * Appends the valid JSON text `bytes[start, end)` to `output` with nothing changed but what is asked for: every string
 * and every number literal stays as written. The range may be part of a text, if it is cut between tokens.
 */
export function rewriteJson(
  bytes: Buffer,
  start: number,
  end: number,
  rewrite: Rewrite,
  output: TextBuffer,
): void {
  const references = rewrite.references ?? NO_REFERENCES;
  if (rewrite.compact !== true && references.size === 0) {
    output.append(bytes, start, end);
    return;
  }
  let copied = start;
  let afterReference = false;
  let at = start;
  while (at < end) {
    const c = bytes[at]!;
    if (c === QUOTE) {
      const close = stringEnd(bytes, at);
      const target = afterReference ? referenceTarget(bytes, at, close, references) : undefined;
      if (target !== undefined) {
        output.append(bytes, copied, at);
        output.append(target);
        copied = close;
      }
      afterReference = close - at === REFERENCE_KEY.length && startsWith(bytes, at, REFERENCE_KEY);
      at = close;
    } else if (rewrite.compact === true && isSpace(c)) {
      let next = at + 1;
      while (next < end && isSpace(bytes[next]!)) next++;
      output.append(bytes, copied, at);
      copied = at = next;
    } else {
      // The string "reference" was a key only if a colon follows.
      if (afterReference && c !== COLON && !isSpace(c)) afterReference = false;
      at++;
    }
  }
  output.append(bytes, copied, end);
}

/** The literal to put in place of the reference at `[start, end)`, or undefined when it stays. */
function referenceTarget(
  bytes: Buffer,
  start: number,
  end: number,
  references: ReadonlyMap<string, string>,
): Buffer | undefined {
  if (!startsWith(bytes, start, URN_PREFIX)) return undefined;
  const value = references.get(JSON.parse(bytes.toString("utf8", start, end)) as string);
  return value === undefined ? undefined : Buffer.from(JSON.stringify(value));
}
