import { didYouMean } from "#kernel";
import type {
  Censor,
  CohortDefinition,
  CohortRule,
  CohortTest,
  CombinedCohort,
  Conversion,
  PartialDates,
  RuleCohort,
  ValueSet,
} from "./definition.js";
import { checkCrossTables } from "./dimension.js";
import { badDefinition, JsonNode } from "./json-node.js";
import { FILTER_KEYS, parseEntry, parseEventTest, parseFilter, TEST_KEYS } from "./parse-events.js";
import { parseValueSet } from "./value-set.js";

/** Rules of one cohort: the bits of a 64-bit integer that stay positive, less those the engine uses itself. */
const MOST_RULES = 60;
/** How deep groups may stand in groups. */
const DEEPEST = 8;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

type ValueSets = ReadonlyMap<string, ValueSet>;

/** The id of a stored cohort: 1 to 64 letters, digits, `.`, `_`, `-`. */
export function isCohortId(text: string): boolean {
  return NAME.test(text) && !text.includes("..");
}

/** Value sets by name. */
export function parseValueSets(node: JsonNode | undefined): ValueSets {
  return new Map(
    node?.entries().map(([name, member]) => {
      if (!isCohortId(name))
        throw badDefinition(member.path, "is named with other than letters, digits, '.', '_', '-'.");
      return [name, parseValueSet(member)];
    }),
  );
}

function parseConversion(node: JsonNode): Conversion {
  const members = node.object(["code", "from", "to", "factor", "offset"]);
  const text = (name: string): string => {
    const member = members[name];
    if (member === undefined) throw badDefinition(node.path, `has to say ${name}.`);
    return member.text();
  };
  const [code, from, to] = [text("code"), text("from"), text("to")];
  const factor = members["factor"]?.number() ?? 1;
  if (factor <= 0) throw badDefinition(`${node.path}.factor`, "has to be greater than 0.");
  return { code, from, to, factor, offset: members["offset"]?.number() ?? 0 };
}

/** Conversions that go before UCUM. */
export function parseConversions(node: JsonNode | undefined): readonly Conversion[] {
  return node?.list().map(parseConversion) ?? [];
}

interface Defaults {
  readonly valueSets: ValueSets;
  readonly partialDates: PartialDates;
}

function parseAge(node: JsonNode): CohortTest {
  const { ge, lt } = node.object(["ge", "lt"]);
  const [low, below] = [ge?.whole(0, 200), lt?.whole(0, 200)];
  if (low === undefined && below === undefined)
    throw node.wrong("an object with ge, lt or both (full years)");
  if (low !== undefined && below !== undefined && low >= below) {
    throw badDefinition(node.path, "no age lies between these two.");
  }
  return { kind: "age", low, below };
}

const KINDS = ["view", "age", "sex", "anyOf", "allOf", "not"] as const;

function parseTest(node: JsonNode, defaults: Defaults, depth: number, extra: readonly string[]): CohortTest {
  const names = new Set(node.entries().map(([name]) => name));
  const kinds = KINDS.filter((kind) => names.has(kind));
  if (kinds.length !== 1) {
    const odd = [...names].find((name) => ![...TEST_KEYS, ...KINDS, ...extra].includes(name as "view"));
    throw badDefinition(
      node.path,
      `has to have one of ${KINDS.join(", ")}.${odd === undefined ? "" : didYouMean(odd, KINDS)}`,
    );
  }
  const kind = kinds[0]!;
  if (depth > DEEPEST) throw badDefinition(node.path, `stands deeper than ${DEEPEST} groups.`);
  if (kind === "view") {
    const members = node.object([...TEST_KEYS, ...extra]);
    return parseEventTest(node, members, defaults.valueSets, defaults.partialDates);
  }
  const member = node.object([kind, ...extra])[kind]!;
  const inner = (item: JsonNode): CohortTest => parseTest(item, defaults, depth + 1, []);
  switch (kind) {
    case "age":
      return parseAge(member);
    case "sex":
      return { kind: "sex", codes: member.oneOrMore().map((code) => code.text()) };
    case "not":
      return { kind: "not", test: inner(member) };
    default:
      return { kind: kind === "anyOf" ? "any" : "all", tests: member.oneOrMore().map(inner) };
  }
}

function parseRules(node: JsonNode | undefined, defaults: Defaults): CohortRule[] {
  return (
    node?.list().map((item) => {
      const test = parseTest(item, defaults, 1, ["name"]);
      const name = item.entries().find(([member]) => member === "name")?.[1];
      return { name: name?.text(200), test, path: item.path };
    }) ?? []
  );
}

function parseCensor(node: JsonNode, valueSets: ValueSets): Censor {
  const { death, afterDays, at, event } = node.object(["death", "afterDays", "at", "event"]);
  const censor: Censor = {
    death: death?.boolean() ?? false,
    afterDays: afterDays?.whole(0, 73_000),
    at: at?.day(),
    event: event === undefined ? undefined : parseFilter(event, event.object(FILTER_KEYS), valueSets),
  };
  if (!censor.death && (censor.afterDays ?? censor.at ?? censor.event) === undefined) {
    throw node.wrong("an object with death, afterDays, at or event");
  }
  return censor;
}

const TOP_KEYS = [
  "title",
  "description",
  "sources",
  "valueSets",
  "conversions",
  "partialDates",
  "entry",
  "include",
  "exclude",
  "censor",
  "crossTables",
  "combine",
] as const;

type Members = Readonly<Record<string, JsonNode | undefined>>;

function parseCombined(
  members: Members,
  common: Pick<RuleCohort, "title" | "description" | "crossTables">,
): CombinedCohort {
  const stray = TOP_KEYS.find(
    (name) =>
      members[name] !== undefined && !["title", "description", "crossTables", "combine"].includes(name),
  );
  if (stray !== undefined) {
    throw badDefinition(
      stray,
      "a cohort combined from others has no rules of its own; leave it out or leave out combine.",
    );
  }
  const node = members["combine"]!;
  const parts = node.object(["union", "intersect", "minus"]);
  const [operation, ...more] = Object.keys(parts) as CombinedCohort["operation"][];
  if (operation === undefined || more.length > 0)
    throw node.wrong("an object with union, intersect or minus");
  const of = parts[operation]!.list().map((item) => {
    const match = /^([^@]+)(?:@([1-9]\d{0,8}))?$/.exec(item.text());
    if (match === null || !isCohortId(match[1]!)) throw item.wrong("a cohort's id, or id@version");
    return { id: match[1]!, version: match[2] === undefined ? undefined : Number(match[2]) };
  });
  if (of.length < 2 || of.length > 20) throw parts[operation]!.wrong("a list of 2 to 20 cohorts");
  return { kind: "combined", ...common, operation, of };
}

/**
 * Checks the JSON of a cohort definition. Fails with `cohort/bad-definition`, whose message and `details.path` say where; names of views
 * and columns are checked later, against a snapshot.
 */
export function parseCohort(json: unknown): CohortDefinition {
  const root = new JsonNode(json);
  const members = root.object(TOP_KEYS);
  if (members["title"] === undefined) throw badDefinition("", "has to have a title.");
  const common = {
    title: members["title"].text(200),
    description: members["description"]?.text(4000),
    crossTables: checkCrossTables(members["crossTables"]),
  };
  if (members["combine"] !== undefined) return parseCombined(members, common);
  if (members["entry"] === undefined) throw badDefinition("", "has to have an entry (or combine).");
  const valueSets = parseValueSets(members["valueSets"]);
  const partialDates = members["partialDates"]?.word(["certain", "possible"]) ?? "certain";
  const defaults = { valueSets, partialDates };
  const cohort: RuleCohort = {
    kind: "rules",
    ...common,
    sources: members["sources"]?.oneOrMore().map((source) => source.text(200)),
    valueSets,
    conversions: parseConversions(members["conversions"]),
    entry: parseEntry(members["entry"], valueSets, partialDates),
    include: parseRules(members["include"], defaults),
    exclude: parseRules(members["exclude"], defaults),
    censor: members["censor"] === undefined ? undefined : parseCensor(members["censor"], valueSets),
  };
  if (cohort.include.length + cohort.exclude.length > MOST_RULES) {
    throw badDefinition("", `has more than ${MOST_RULES} rules; group some with allOf.`);
  }
  return cohort;
}
