/**
 * Edits of JSON text that leave every other byte as it was. A server that parses and prints again would turn `1.10` into `1.1`;
 * this one cuts and splices the text, so that what was written comes back.
 */

/** Where a member of an object stands: bytes from the opening quote of its name to the end of its value. */
export interface Member {
  readonly name: string;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function skipSpace(text: Buffer, at: number): number {
  let position = at;
  while (isSpace(text[position])) position++;
  return position;
}

function stringEnd(text: Buffer, at: number): number {
  let position = at + 1;
  while (text[position] !== QUOTE) position += text[position] === BACKSLASH ? 2 : 1;
  return position + 1;
}

function valueEnd(text: Buffer, at: number): number {
  const first = text[at];
  if (first === QUOTE) return stringEnd(text, at);
  let position = at;
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) {
    for (;;) {
      const byte = text[position];
      if (byte === undefined || byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) break;
      if (isSpace(byte)) break;
      position++;
    }
    return position;
  }
  let depth = 0;
  for (;;) {
    const byte = text[position];
    if (byte === undefined) throw new Error("The JSON text ends inside a value.");
    if (byte === QUOTE) {
      position = stringEnd(text, position);
      continue;
    }
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
    if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--;
    position++;
    if (depth === 0) return position;
  }
}

/** The members of the object that the text holds, one after the other, in the order written. The text must be valid JSON. */
function* eachMember(text: Buffer): Generator<Member> {
  let position = skipSpace(text, skipSpace(text, 0) + 1);
  while (text[position] === QUOTE) {
    const start = position;
    const nameEnd = stringEnd(text, position);
    const plain = text.toString("latin1", start + 1, nameEnd - 1);
    const name = plain.includes("\\") ? (JSON.parse(text.toString("utf8", start, nameEnd)) as string) : plain;
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const end = valueEnd(text, valueStart);
    yield { name, start, valueStart, end };
    position = skipSpace(text, end);
    if (text[position] === COMMA) position = skipSpace(text, position + 1);
  }
}

/** The members of the object that the text holds, in the order written. The text must be valid JSON. */
export function membersOf(text: Buffer): Member[] {
  return [...eachMember(text)];
}

/** The text of a member's value, or undefined when the object has no such member. Reads no further than needed. */
export function memberText(text: Buffer, name: string): Buffer | undefined {
  for (const member of eachMember(text))
    if (member.name === name) return text.subarray(member.valueStart, member.end);
  return undefined;
}

/** A string member's value, or undefined when it is absent or no string. */
export function stringMember(text: Buffer, name: string): string | undefined {
  const value = memberText(text, name);
  return value?.[0] === QUOTE ? (JSON.parse(value.toString()) as string) : undefined;
}

/** The text of an object made of given members, all written as they were. */
export function objectText(text: Buffer, members: readonly Member[]): Buffer {
  return Buffer.from(
    `{${members.map((member) => text.subarray(member.start, member.end).toString()).join(",")}}`,
  );
}

/** The object with a member's value replaced; a member that was absent stands after `after`, else first. */
export function withMember(text: Buffer, name: string, value: string | Buffer, after?: string): Buffer {
  const members = membersOf(text);
  const present = members.find((member) => member.name === name);
  if (present !== undefined) {
    return Buffer.concat([
      text.subarray(0, present.valueStart),
      Buffer.from(value),
      text.subarray(present.end),
    ]);
  }
  const written = `${JSON.stringify(name)}:${value.toString()}`;
  const previous = members.find((member) => member.name === after);
  if (previous !== undefined) {
    return Buffer.concat([
      text.subarray(0, previous.end),
      Buffer.from(`,${written}`),
      text.subarray(previous.end),
    ]);
  }
  const open = skipSpace(text, 0) + 1;
  return Buffer.concat([
    text.subarray(0, open),
    Buffer.from(members.length === 0 ? written : `${written},`),
    text.subarray(open),
  ]);
}

/** The object without the named members. */
export function withoutMembers(text: Buffer, names: ReadonlySet<string>): Buffer {
  const members = membersOf(text);
  if (!members.some((member) => names.has(member.name))) return text;
  return objectText(
    text,
    members.filter((member) => !names.has(member.name)),
  );
}

/** The same JSON on one line: white space outside strings is dropped, all else stays. */
export function compactJson(text: Buffer): Buffer {
  const out = Buffer.allocUnsafe(text.length);
  let length = 0;
  let position = 0;
  while (position < text.length) {
    const byte = text[position]!;
    if (byte === QUOTE) {
      const end = stringEnd(text, position);
      length += text.copy(out, length, position, end);
      position = end;
      continue;
    }
    if (!isSpace(byte)) out[length++] = byte;
    position++;
  }
  return out.subarray(0, length);
}

/** The same compact JSON on many lines, as servers print it for people; numbers and strings stay as written. */
export function prettyJson(text: Buffer): Buffer {
  const parts: string[] = [];
  let depth = 0;
  let position = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  while (position < text.length) {
    const byte = text[position]!;
    if (byte === QUOTE) {
      const end = stringEnd(text, position);
      parts.push(text.subarray(position, end).toString());
      position = end;
      continue;
    }
    const character = String.fromCharCode(byte);
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth++;
      parts.push(character, line());
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth--;
      parts.push(line(), character);
    } else if (byte === COMMA) parts.push(character, line());
    else parts.push(character === ":" ? ": " : character);
    position++;
  }
  return Buffer.from(parts.join(""));
}
