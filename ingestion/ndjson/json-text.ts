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

/**
 * The valid JSON text `bytes[start, end)` with nothing changed but what is asked for: every string and every number
 * literal stays as written. One pass over the bytes.
 */
export function rewriteJson(bytes: Buffer, start: number, end: number, rewrite: Rewrite): Buffer {
  const references = rewrite.references ?? NO_REFERENCES;
  const pieces: Buffer[] = [];
  let copied = start;
  let inReference = false;
  let at = start;
  while (at < end) {
    const c = bytes[at]!;
    if (c === QUOTE) {
      const close = stringEnd(bytes, at);
      if (inReference && startsWith(bytes, at, URN_PREFIX)) {
        const value = references.get(JSON.parse(bytes.toString("utf8", at, close)) as string);
        if (value !== undefined) {
          pieces.push(bytes.subarray(copied, at), Buffer.from(JSON.stringify(value)));
          copied = close;
        }
      }
      inReference = close - at === REFERENCE_KEY.length && startsWith(bytes, at, REFERENCE_KEY);
      at = close;
    } else if (rewrite.compact === true && isSpace(c)) {
      let next = at + 1;
      while (next < end && isSpace(bytes[next]!)) next++;
      pieces.push(bytes.subarray(copied, at));
      copied = at = next;
    } else {
      // A string "reference" is the key only when a colon follows; anything but white space ends the wait.
      if (inReference && c !== COLON && !isSpace(c)) inReference = false;
      at++;
    }
  }
  pieces.push(bytes.subarray(copied, end));
  return Buffer.concat(pieces);
}
