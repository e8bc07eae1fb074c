import { LakeError } from "./errors.js";

/** A JSON number by its digits as written, so that `1.0`, `1e2` and numbers of 30 digits survive. */
export class ExactNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A JSON value whose numbers kept their text. */
export type ExactValue =
  | null
  | boolean
  | string
  | ExactNumber
  | readonly ExactValue[]
  | { readonly [name: string]: ExactValue };

/** An object of {@link ExactValue}s, such as one row of a view. */
export type ExactObject = { readonly [name: string]: ExactValue };

/** A parsed value and the exact text it was parsed from. */
export interface Sourced {
  readonly value: ExactValue;
  readonly text: string;
}

const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const spacePattern = /[ \t\n\r]*/y;
const maximumDepth = 500;

class Parser {
  private at = 0;
  private depth = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** The whole text as one value; `onMember` is told every member of the outermost object with its source text. */
  parse(onMember?: (path: readonly string[], member: Sourced) => void): ExactValue {
    const value = this.value([], onMember);
    this.space();
    if (this.at !== this.text.length) this.fail();
    return value;
  }

  private fail(): never {
    throw new LakeError(
      "invalid-input",
      "kernel/invalid-json",
      `The text is not valid JSON at character ${this.at + 1}.`,
      { details: { offset: this.at } },
    );
  }

  private space(): void {
    spacePattern.lastIndex = this.at;
    spacePattern.exec(this.text);
    this.at = spacePattern.lastIndex;
  }

  private value(
    path: readonly string[],
    onMember?: (path: readonly string[], member: Sourced) => void,
  ): ExactValue {
    this.space();
    const start = this.at;
    const value = this.bare(path, onMember);
    if (path.length > 0 && path.length <= 3)
      onMember?.(path, { value, text: this.text.slice(start, this.at) });
    return value;
  }

  private bare(
    path: readonly string[],
    onMember?: (path: readonly string[], member: Sourced) => void,
  ): ExactValue {
    switch (this.text[this.at]) {
      case '"':
        return this.string();
      case "{":
        return this.object(path, onMember);
      case "[":
        return this.array(path, onMember);
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
      default:
        return this.number();
    }
  }

  private word(word: string, value: boolean | null): boolean | null {
    if (!this.text.startsWith(word, this.at)) this.fail();
    this.at += word.length;
    return value;
  }

  private number(): ExactNumber {
    numberPattern.lastIndex = this.at;
    const match = numberPattern.exec(this.text);
    if (match === null) this.fail();
    this.at = numberPattern.lastIndex;
    return new ExactNumber(match[0]);
  }

  private string(): string {
    const start = this.at;
    this.at += 1;
    while (this.at < this.text.length && this.text[this.at] !== '"')
      this.at += this.text[this.at] === "\\" ? 2 : 1;
    this.at += 1;
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      this.at = start;
      return this.fail();
    }
  }

  private members(close: string, readOne: (index: number) => void): void {
    if (++this.depth > maximumDepth) this.fail();
    this.at += 1;
    this.space();
    for (let index = 0; this.text[this.at] !== close; index++) {
      if (index > 0) {
        if (this.text[this.at] !== ",") this.fail();
        this.at += 1;
        this.space();
      }
      readOne(index);
      this.space();
    }
    this.at += 1;
    this.depth -= 1;
  }

  private object(
    path: readonly string[],
    onMember?: (path: readonly string[], member: Sourced) => void,
  ): ExactObject {
    // A null prototype, so that a member called `__proto__` is a member like any other.
    const result = Object.create(null) as Record<string, ExactValue>;
    this.members("}", () => {
      if (this.text[this.at] !== '"') this.fail();
      const name = this.string();
      this.space();
      if (this.text[this.at] !== ":") this.fail();
      this.at += 1;
      result[name] = this.value([...path, name], onMember);
    });
    return result;
  }

  private array(
    path: readonly string[],
    onMember?: (path: readonly string[], member: Sourced) => void,
  ): ExactValue[] {
    const result: ExactValue[] = [];
    this.members("]", (index) => result.push(this.value([...path, String(index)], onMember)));
    return result;
  }
}

/** Parses JSON, keeping the digits of every number. Throws `kernel/invalid-json` with the offset. */
export function parseExactJson(text: string): ExactValue {
  return new Parser(text).parse();
}

/**
 * Parses JSON and also gives the source text of the values up to three levels down, under their path
 * (`resources/0`, `tests/3/view`).
 */
export function parseSourcedJson(text: string): { value: ExactValue; sources: ReadonlyMap<string, string> } {
  const sources = new Map<string, string>();
  const value = new Parser(text).parse((path, member) => sources.set(path.join("/"), member.text));
  return { value, sources };
}

/** JSON text of a value, with every number's digits as they were. */
export function formatExactJson(value: ExactValue): string {
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) return `[${(value as readonly ExactValue[]).map(formatExactJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${formatExactJson(member)}`,
  );
  return `{${members.join(",")}}`;
}

/**
 * A form that is equal for numbers of equal value: `1.0`, `1` and `10e-1` give the same. Text that is no JSON number is
 * given back as it is.
 */
export function canonicalNumber(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return text;
  const fraction = match[3] ?? "";
  const digits = (match[2] + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const exponent = Number(match[4] ?? "0") - fraction.length + (digits.length - significant.length);
  return `${match[1]}${significant}e${exponent}`;
}
