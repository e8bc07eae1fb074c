import { parseDecimal } from "./decimal.js";
import { ExactDecimal } from "./engine.js";

/**
 * Parses JSON without losing digits: integers up to 2^53 written plainly become numbers, every other number an
 * {@link ExactDecimal}. Throws SyntaxError on anything that JSON does not allow.
 */
export function parseLosslessJson(text: string): unknown {
  // Let the platform judge the syntax, so that the walk below may assume well-formed text.
  JSON.parse(text);
  let at = 0;

  const skipSpace = (): void => {
    while (" \t\n\r".includes(text[at] ?? "x")) at += 1;
  };
  const readString = (): string => {
    const start = at;
    at += 1;
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at += 1;
    return JSON.parse(text.slice(start, at)) as string;
  };
  const readNumber = (): unknown => {
    const literal = /^-?[0-9.eE+-]+/.exec(text.slice(at, at + 1000))?.[0] ?? "";
    at += literal.length;
    if (/^-?\d{1,15}$/.test(literal) && literal !== "-0") return Number(literal);
    const exact = parseDecimal(literal);
    if (exact === undefined) throw new SyntaxError("number out of range");
    return new ExactDecimal(exact);
  };
  const readMembers = <T>(close: string, readOne: () => T): T[] => {
    const members: T[] = [];
    at += 1;
    skipSpace();
    while (text[at] !== close) {
      members.push(readOne());
      skipSpace();
      if (text[at] === ",") at += 1;
      skipSpace();
    }
    at += 1;
    return members;
  };
  const readValue = (): unknown => {
    skipSpace();
    const first = text[at];
    if (first === '"') return readString();
    if (first === "[") return readMembers("]", readValue);
    if (first === "{") {
      return Object.fromEntries(
        readMembers("}", () => {
          const name = readString();
          skipSpace();
          at += 1;
          return [name, readValue()] as const;
        }),
      );
    }
    for (const [word, value] of [
      ["true", true],
      ["false", false],
      ["null", null],
    ] as const) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return value;
      }
    }
    return readNumber();
  };
  return readValue();
}
