import { dataOf, type Item, type UserFunction } from "../engine.js";
import { single } from "../operators.js";
import { OracleError } from "../values.js";

function text(input: Item[], what: string): string | undefined {
  const item = single(input, what);
  const data = item === undefined ? null : dataOf(item);
  if (data === null) return undefined;
  if (typeof data !== "string") throw new OracleError(`${what} takes a string`);
  return data;
}

/** String functions count code points; an empty argument gives empty. */
function ofText(
  kinds: readonly string[],
  fn: (characters: string[], ...parameters: never[]) => unknown,
): UserFunction {
  return {
    internalStructures: true,
    arity: { [kinds.length]: kinds },
    fn: (input, ...parameters) => {
      const value = text(input, "a string function");
      if (value === undefined || parameters.some((parameter) => Array.isArray(parameter))) return [];
      return fn(Array.from(value), ...parameters);
    },
  };
}

function substring(characters: string[], start: number, length?: number): string[] {
  if (start < 0 || start >= characters.length) return [];
  return [characters.slice(start, length === undefined ? undefined : start + Math.max(0, length)).join("")];
}

function indexOf(characters: string[], wanted: string): number {
  const at = characters.join("").indexOf(wanted);
  return at < 0 ? -1 : Array.from(characters.join("").slice(0, at)).length;
}

function encoding(format: string): BufferEncoding {
  const known: Record<string, BufferEncoding> = { base64: "base64", hex: "hex" };
  const found = known[format];
  if (found === undefined) throw new OracleError(`no encoding ${format}`);
  return found;
}

/** fhirpath.js counts UTF-16 units and reads `$&` in replacements. */
export const strings: Record<string, UserFunction> = {
  length: ofText([], (characters) => characters.length),
  toChars: ofText([], (characters) => characters),
  indexOf: ofText(["String"], (characters, wanted: string) => indexOf(characters, wanted)),
  lastIndexOf: ofText(["String"], (characters, wanted: string) => {
    const at = characters.join("").lastIndexOf(wanted);
    return at < 0 ? -1 : Array.from(characters.join("").slice(0, at)).length;
  }),
  encode: ofText(["String"], (characters, format: string) =>
    Buffer.from(characters.join("")).toString(encoding(format)),
  ),
  decode: ofText(["String"], (characters, format: string) =>
    Buffer.from(characters.join(""), encoding(format)).toString(),
  ),
  replace: ofText(["String", "String"], (characters, from: string, to: string) =>
    from === "" ? [to, ...characters, ""].join(to) : characters.join("").split(from).join(to),
  ),
  substring: {
    internalStructures: true,
    arity: { 1: ["Integer"], 2: ["Integer", "Integer"] },
    fn: (input: Item[], start: number | [], length?: number | []) => {
      const value = text(input, "substring");
      if (value === undefined || Array.isArray(start)) return [];
      return substring(Array.from(value), start, Array.isArray(length) ? undefined : length);
    },
  },
};
