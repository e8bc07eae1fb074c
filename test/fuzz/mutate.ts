import { ExpressionWriter, type Group } from "../differential/expressions.js";
import type { Random } from "../differential/random.js";
import { resourceTypes } from "../differential/schema.js";

/** Texts that hurt whoever pastes them into SQL, JSON, a regular expression or a shell. */
export const nastyTexts: readonly string[] = [
  "'",
  '"',
  "`",
  "\\",
  "';DROP TABLE x;--",
  '" FROM x; --',
  "'); SELECT error('x'); --",
  "$1",
  "$$x$$",
  "?",
  "%s",
  "{{x}}",
  "/* x */",
  "-- x",
  "\u0000",
  "\u001f",
  "\u2028",
  "\ud800",
  "😀",
  "a\nb",
  "__proto__",
  "constructor",
  "_lake_key",
  "read_csv('/etc/passwd')",
  "x".repeat(3000),
  "",
];

const tokens: readonly string[] = [
  ..."().,[]{}|&=<>+-*/%$@~!'`\"\\ ",
  "name",
  "given",
  "family",
  "birthDate",
  "value",
  "where",
  "exists",
  "first",
  "ofType",
  "Quantity",
  "extension",
  "and",
  "or",
  "not",
  "is",
  "as",
  "in",
  "contains",
  "div",
  "mod",
  "implies",
  "iif",
  "true",
  "1",
  "1.0",
  "99999999999999999999",
  "'a'",
  "@2020",
  "@2020-02-30",
  "@T25:61",
  "@",
  "%a",
  "%rowIndex",
  "%`a b`",
  "$this",
  "$index",
  "$total",
  "{}",
  "getReferenceKey",
  "lowBoundary",
  "matches",
  "'('",
  "4 days",
  "1 'mg'",
  "repeat",
  "//x\n",
];

const alphabet = "abcdefABC0123456789 .()[]{}'\"`\\|&=<>+-*/%$@~!,;:#?^_\n\té中\u0000";

function scramble(random: Random, text: string): string {
  const characters = [...text];
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(characters.length + 1);
    const piece = random.chance(0.5) ? random.pick([...alphabet]) : random.pick(tokens);
    random.weighted([
      [3, () => characters.splice(at, 0, piece)],
      [3, () => characters.splice(at, 1)],
      [2, () => characters.splice(at, 1, piece)],
      [1, () => characters.splice(at, 1 + random.below(8))],
    ]);
  }
  return characters.join("");
}

function oversized(random: Random): string {
  const n = random.pick([50, 500, 5000]);
  return random.weighted([
    [1, () => `${"(".repeat(n)}id${")".repeat(n)}`],
    [1, () => `name${".where(family.exists())".repeat(n)}`],
    [1, () => Array(n).fill("1").join(" + ")],
    [1, () => `${"name.where(".repeat(n)}true${")".repeat(n)}`],
    [1, () => `'${"a".repeat(n * 20)}'`],
    [1, () => `${"-".repeat(n)}1`],
    [1, () => `1${"0".repeat(n)}.${"0".repeat(n)}1`],
    [1, () => `extension${".extension".repeat(n)}.url`],
    [1, () => Array(n).fill("active").join(" and ")],
    [1, () => `${"iif(active, ".repeat(n)}1${", 2)".repeat(n)}`],
  ]);
}

/** A string that may or may not be FHIRPath: noise, shuffled tokens, damaged and valid expressions, and giants. */
export function fuzzedPath(random: Random): string {
  const writer = new ExpressionWriter(random, [], 0.05);
  const valid = (): string =>
    writer.value(
      random.pick(resourceTypes),
      random.pick<Group>(["string", "number", "boolean", "temporal"]),
      2,
    ).text;
  return random.weighted<string>([
    [10, () => random.list(0, 20, () => random.pick([...alphabet])).join("")],
    [25, () => random.list(1, 12, () => random.pick(tokens)).join(random.chance(0.5) ? "" : " ")],
    [50, () => scramble(random, valid())],
    [8, valid],
    [5, () => scramble(random, `name.where(family = '${random.pick(nastyTexts)}')`)],
    [1, () => `\`${random.pick(nastyTexts)}\``],
    [1, () => oversized(random)],
  ]);
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

function noise(random: Random): Json {
  return random.weighted<Json>([
    [1, () => null],
    [1, () => random.chance(0.5)],
    [1, () => random.pick([0, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER])],
    [3, () => random.pick(nastyTexts)],
    [2, () => fuzzedPath(random)],
    [1, () => []],
    [1, () => ({})],
    [1, () => [noise(random)]],
    [1, () => ({ [random.pick(["path", "name", "select", "column", "forEach", "x"])]: noise(random) })],
  ]);
}

const members = [
  "select",
  "column",
  "unionAll",
  "forEach",
  "forEachOrNull",
  "repeat",
  "where",
  "constant",
  "path",
  "name",
  "type",
  "tag",
  "collection",
  "resource",
  "valueString",
  "valueDate",
];

function mutated(random: Random, value: Json, rate: number): Json {
  if (random.chance(rate)) return noise(random);
  if (Array.isArray(value)) {
    const items = value.map((item) => mutated(random, item, rate));
    if (items.length > 0 && random.chance(rate)) items.push(random.pick(items));
    return items;
  }
  if (typeof value === "string") return random.chance(rate) ? scramble(random, value) : value;
  if (typeof value !== "object" || value === null) return value;
  const result: { [name: string]: Json } = {};
  for (const [name, member] of Object.entries(value)) {
    if (random.chance(rate / 2)) continue;
    result[random.chance(rate / 2) ? random.pick(members) : name] = mutated(random, member, rate);
  }
  if (random.chance(rate)) result[random.pick(members)] = noise(random);
  return result;
}

/** A ViewDefinition with damage anywhere: members lost, renamed, doubled, or replaced by JSON of any kind. */
export function mutatedView(random: Random, view: unknown): unknown {
  return mutated(random, view as Json, random.pick([0.01, 0.03, 0.1]));
}
