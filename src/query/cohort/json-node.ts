import { didYouMean, LakeError } from "#kernel";

/** A definition is not as it has to be; `path` says where, in the notation of `include[0].value.unit`. */
export function badDefinition(
  path: string,
  problem: string,
  details: Readonly<Record<string, unknown>> = {},
): LakeError {
  const place = path === "" ? "The definition" : path;
  return new LakeError("invalid-input", "cohort/bad-definition", `${place}: ${problem}`, {
    details: { path, ...details },
  });
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** True for a day of the Gregorian calendar written as `2024-02-29`. */
function isDay(text: string): boolean {
  if (!DAY.test(text) || text.startsWith("0000")) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/** A value somewhere in a JSON document, read with checks that know where it stands. */
export class JsonNode {
  readonly value: unknown;
  readonly path: string;

  constructor(value: unknown, path = "") {
    this.value = value;
    this.path = path;
  }

  /** The members of an object, none of which may have another name than these. */
  object(names: readonly string[]): Readonly<Record<string, JsonNode | undefined>> {
    const members = this.entries();
    for (const [name, node] of members) {
      if (!names.includes(name)) {
        throw badDefinition(
          node.path,
          `there is no such property here.${didYouMean(name, names)} There are ${names.join(", ")}.`,
        );
      }
    }
    return Object.fromEntries(members);
  }

  /** The members of an object, whatever their names. */
  entries(): [string, JsonNode][] {
    const { value, path } = this;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.wrong("an object");
    }
    return Object.entries(value).map(([name, member]) => [
      name,
      new JsonNode(member, path === "" ? name : `${path}.${name}`),
    ]);
  }

  list(): JsonNode[] {
    if (!Array.isArray(this.value)) throw this.wrong("a list");
    return this.value.map((item: unknown, index) => new JsonNode(item, `${this.path}[${index}]`));
  }

  /** A list, or one value that stands for a list of it. */
  oneOrMore(): JsonNode[] {
    const items = Array.isArray(this.value) ? this.list() : [this];
    if (items.length === 0) throw this.wrong("a list with at least one item");
    return items;
  }

  /** Text that is not empty and at most that long. */
  text(longest = 1000): string {
    const { value } = this;
    if (typeof value !== "string" || value.trim() === "" || value.length > longest || value.includes("\0")) {
      throw this.wrong(`text of 1 to ${longest} characters`);
    }
    return value;
  }

  boolean(): boolean {
    if (typeof this.value !== "boolean") throw this.wrong("true or false");
    return this.value;
  }

  number(): number {
    if (typeof this.value !== "number" || !Number.isFinite(this.value)) throw this.wrong("a number");
    return this.value;
  }

  whole(least: number, most: number): number {
    const value = this.number();
    if (!Number.isInteger(value) || value < least || value > most) {
      throw this.wrong(`a whole number from ${least} to ${most}`);
    }
    return value;
  }

  /** A day such as `2024-02-29`. */
  day(): string {
    if (typeof this.value !== "string" || !isDay(this.value)) throw this.wrong("a day such as 2024-02-29");
    return this.value;
  }

  /** One of some words. */
  word<Word extends string>(words: readonly Word[]): Word {
    const found = words.find((word) => word === this.value);
    if (found !== undefined) return found;
    const hint = typeof this.value === "string" ? didYouMean(this.value, words) : "";
    throw badDefinition(this.path, `has to be ${words.map((word) => `'${word}'`).join(" or ")}.${hint}`);
  }

  wrong(expected: string): LakeError {
    return badDefinition(this.path, `has to be ${expected}.`);
  }
}
