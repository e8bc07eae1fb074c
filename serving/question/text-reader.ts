import { badRequest } from "../http/errors.js";

/** Reads the value of one parameter from left to right; what does not fit is refused with its place. */
export class TextReader {
  readonly text: string;
  private readonly parameter: string;
  at = 0;

  constructor(parameter: string, text: string) {
    this.parameter = parameter;
    this.text = text;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  peek(): string {
    return this.text[this.at] ?? "";
  }

  /** Takes `expected` if it stands here. */
  take(expected: string): boolean {
    if (!this.text.startsWith(expected, this.at)) return false;
    this.at += expected.length;
    return true;
  }

  /** Takes what a sticky pattern matches here; undefined where it does not. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  /** Takes everything that is left. */
  rest(): string {
    const rest = this.text.slice(this.at);
    this.at = this.text.length;
    return rest;
  }

  expect(expected: string, meaning: string): void {
    if (!this.take(expected)) throw this.error(`'${expected}' ${meaning} is expected`);
  }

  /** Text in double quotes, in which `\"` and `\\` stand for the characters themselves; undefined where no quote stands. */
  quoted(): string | undefined {
    const start = this.at;
    if (!this.take('"')) return undefined;
    let value = "";
    while (!this.done) {
      const character = this.text[this.at++]!;
      if (character === '"') return value;
      value += character === "\\" && !this.done ? this.text[this.at++]! : character;
    }
    this.at = start;
    throw this.error("the quote that opens here is never closed");
  }

  /** A refusal that says where; never what stands there, which may be a value. */
  error(problem: string): Error {
    return badRequest(
      "bad-syntax",
      `The parameter ${this.parameter} cannot be read at character ${this.at + 1}: ${problem}.`,
      { parameter: this.parameter, offset: this.at },
    );
  }
}
