const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function skipSpace(text: string, at: number): number {
  let p = at;
  while (isSpace(text.charCodeAt(p))) p++;
  return p;
}

/** The position after the closing quote of the string that starts at `at`. */
function stringEnd(text: string, at: number): number {
  let p = at + 1;
  for (let c = text.charCodeAt(p); c !== QUOTE; c = text.charCodeAt(p)) p += c === BACKSLASH ? 2 : 1;
  return p + 1;
}

/** True behind a number or a word; NaN is the end of the text. */
function endsScalar(code: number): boolean {
  return (
    code === COMMA || code === CLOSE_OBJECT || code === CLOSE_ARRAY || isSpace(code) || Number.isNaN(code)
  );
}

/** The position after the value that starts at `at`. */
function valueEnd(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return stringEnd(text, at);
  let p = at;
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) {
    while (!endsScalar(text.charCodeAt(p))) p++;
    return p;
  }
  let depth = 0;
  do {
    const c = text.charCodeAt(p);
    if (c === QUOTE) {
      p = stringEnd(text, p);
      continue;
    }
    if (c === OPEN_OBJECT || c === OPEN_ARRAY) depth++;
    else if (c === CLOSE_OBJECT || c === CLOSE_ARRAY) depth--;
    p++;
  } while (depth > 0);
  return p;
}

/** Start and end of the value of a property of the object at `at`; the last one counts, as for JSON.parse. */
function property(text: string, at: number, name: string): readonly [number, number] | undefined {
  let found: readonly [number, number] | undefined;
  let p = skipSpace(text, at + 1);
  while (text.charCodeAt(p) !== CLOSE_OBJECT) {
    const keyEnd = stringEnd(text, p);
    const key = text.slice(p, keyEnd);
    p = skipSpace(text, keyEnd);
    if (text.charCodeAt(p) !== COLON) return undefined;
    const start = skipSpace(text, p + 1);
    const end = valueEnd(text, start);
    if (key === `"${name}"` || (key.includes("\\") && JSON.parse(key) === name)) found = [start, end];
    p = skipSpace(text, end);
    if (text.charCodeAt(p) === COMMA) p = skipSpace(text, p + 1);
  }
  return found;
}

/**
 * The source text of the resource of every Bundle entry, in the order of the entries; undefined for an entry without one. Literals
 * stay as the server wrote them, because parsing and printing again would round decimals. `text` must be JSON that JSON.parse accepts.
 */
export function cutResources(text: string): (string | undefined)[] {
  const bundle = skipSpace(text, text.charCodeAt(0) === 0xfeff ? 1 : 0);
  if (text.charCodeAt(bundle) !== OPEN_OBJECT) return [];
  const entries = property(text, bundle, "entry");
  if (entries === undefined || text.charCodeAt(entries[0]) !== OPEN_ARRAY) return [];
  const resources: (string | undefined)[] = [];
  let p = skipSpace(text, entries[0] + 1);
  while (text.charCodeAt(p) !== CLOSE_ARRAY) {
    const isObject = text.charCodeAt(p) === OPEN_OBJECT;
    const resource = isObject ? property(text, p, "resource") : undefined;
    const held = resource !== undefined && text.charCodeAt(resource[0]) === OPEN_OBJECT;
    resources.push(held ? text.slice(resource[0], resource[1]) : undefined);
    p = skipSpace(text, valueEnd(text, p));
    if (text.charCodeAt(p) === COMMA) p = skipSpace(text, p + 1);
  }
  return resources;
}

/** JSON text as one line of NDJSON: as it is when it has no line end, else without the white space between tokens. */
export function onOneLine(json: string): string {
  if (!json.includes("\n") && !json.includes("\r")) return json;
  const parts: string[] = [];
  let copied = 0;
  let p = 0;
  while (p < json.length) {
    const c = json.charCodeAt(p);
    if (c === QUOTE) p = stringEnd(json, p);
    else if (isSpace(c)) {
      parts.push(json.slice(copied, p));
      copied = p = skipSpace(json, p);
    } else p++;
  }
  parts.push(json.slice(copied));
  return parts.join("");
}

/** A JSON text without the white space and the byte order mark around it. */
export function cutValue(json: string): string {
  const start = skipSpace(json, json.charCodeAt(0) === 0xfeff ? 1 : 0);
  return json.slice(start, valueEnd(json, start));
}
