import type {
  CohortEntry,
  ColumnCondition,
  DayWindow,
  EventFilter,
  EventTest,
  PartialDates,
  ValueCondition,
} from "./definition.js";
import { badDefinition, type JsonNode } from "./json-node.js";

/** What a criterion over a view may say of its rows. */
export const FILTER_KEYS = ["view", "in", "code", "where", "records", "date"] as const;
/** What a criterion over a view may say beyond that. */
export const TEST_KEYS = [...FILTER_KEYS, "value", "within", "partialDates", "pick", "count"] as const;
const ENTRY_KEYS = [...FILTER_KEYS, "value", "pick", "between", "washoutDays", "partialDates"] as const;

/** Days before or after the index that make sense: 200 years. */
const FARTHEST = 73_000;
const OPERATORS = ["eq", "ne", "lt", "le", "gt", "ge", "in", "notIn", "startsWith", "isNull"] as const;

type Members = Readonly<Record<string, JsonNode | undefined>>;

function scalar(node: JsonNode): string {
  const { value } = node;
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (typeof value === "string" && !value.includes("\0") && value.length <= 1000) return value;
  throw node.wrong("a text, a number, true or false");
}

function conditions(column: string, node: JsonNode): ColumnCondition[] {
  const base = { column, negated: false };
  if (Array.isArray(node.value)) {
    return [{ ...base, operator: "in", values: node.oneOrMore().map(scalar), path: node.path }];
  }
  if (typeof node.value !== "object" || node.value === null) {
    return [{ ...base, operator: "eq", values: [scalar(node)], path: node.path }];
  }
  const members = Object.entries(node.object(OPERATORS)) as [ColumnCondition["operator"], JsonNode][];
  if (members.length === 0) throw node.wrong("a value, a list of values or an object of operators");
  return members.map(([operator, member]) => {
    const path = member.path;
    if (operator === "isNull") return { column, operator, values: [], negated: !member.boolean(), path };
    const values = operator === "in" || operator === "notIn" ? member.oneOrMore() : [member];
    return { ...base, operator, values: values.map(scalar), path };
  });
}

/** The part of a criterion that says which rows of a view are meant. */
export function parseFilter(
  node: JsonNode,
  members: Members,
  valueSets: ReadonlyMap<string, unknown>,
): EventFilter {
  const { view, where, records, date, code } = members;
  if (view === undefined) throw badDefinition(node.path, "has to name a view.");
  const sets = members["in"]?.oneOrMore() ?? [];
  for (const set of sets) {
    if (!valueSets.has(set.text())) {
      const names = [...valueSets.keys()];
      throw badDefinition(
        set.path,
        `there is no value set '${set.text().slice(0, 64)}' in valueSets, which has ${names.length === 0 ? "none" : names.join(", ")}.`,
      );
    }
  }
  return {
    view: view.text(),
    in: sets.map((set) => set.text()),
    code: code?.text(),
    where: where?.entries().flatMap(([column, condition]) => conditions(column, condition)) ?? [],
    records: records?.word(["valid", "all"]) ?? "valid",
    date: date?.oneOrMore().map((name) => name.text()),
    path: node.path,
  };
}

/** `{"ge": 6.5, "lt": 10, "unit": "%"}` */
export function parseValue(node: JsonNode): ValueCondition {
  const { column, unit, eq, ge, gt, le, lt } = node.object(["column", "unit", "eq", "ge", "gt", "le", "lt"]);
  if (ge !== undefined && gt !== undefined) throw badDefinition(gt.path, "leave out either gt or ge.");
  if (le !== undefined && lt !== undefined) throw badDefinition(lt.path, "leave out either lt or le.");
  const bounds = [ge ?? gt, le ?? lt].filter((bound) => bound !== undefined);
  if ((eq === undefined) === (bounds.length === 0)) {
    throw badDefinition(node.path, "has to say eq, or one or two of ge, gt, le, lt.");
  }
  const end = (closed: JsonNode | undefined, open: JsonNode | undefined): ValueCondition["low"] => {
    const bound = eq ?? closed ?? open;
    return bound === undefined ? undefined : { value: bound.number(), open: bound === open };
  };
  const [low, high] = [end(ge, gt), end(le, lt)];
  if (low !== undefined && high !== undefined) {
    const empty = low.value > high.value || (low.value === high.value && (low.open || high.open));
    if (empty) throw badDefinition(node.path, "no number lies between these two.");
  }
  return { column: column?.text(), unit: unit?.text(), low, high, path: node.path };
}

const WINDOW = /^\s*([+-]?\d{1,6})?\s*\.\.\s*([+-]?\d{1,6})?\s*(?:days?(?:\s+of\s+(?:the\s+)?index)?)?\s*$/;

/** `{"from": -30, "to": 90}` or `"-30..+90 days of index"`; an end left out is open. */
export function parseWindow(node: JsonNode): DayWindow {
  let window: DayWindow;
  if (typeof node.value === "string") {
    const match = WINDOW.exec(node.value);
    if (match === null) throw node.wrong("a window such as '-30..+90 days of index' or {\"from\": -30}");
    const end = (text: string | undefined): number | undefined =>
      text === undefined ? undefined : Number(text);
    window = { from: end(match[1]), to: end(match[2]) };
  } else {
    const { from, to } = node.object(["from", "to"]);
    window = { from: from?.whole(-FARTHEST, FARTHEST), to: to?.whole(-FARTHEST, FARTHEST) };
  }
  if (window.from === undefined && window.to === undefined) {
    throw badDefinition(node.path, "names no end; leave the window out instead.");
  }
  if (window.from !== undefined && window.to !== undefined && window.from > window.to) {
    throw badDefinition(node.path, "ends before it begins.");
  }
  return window;
}

function parseCount(node: JsonNode | undefined): EventTest["count"] {
  if (node === undefined) return { min: 1, max: undefined, apartDays: 0 };
  const members = node.object(["min", "max", "apartDays"]);
  const max = members["max"]?.whole(0, 1_000_000);
  const min = members["min"]?.whole(0, 1_000_000) ?? (max === undefined ? 1 : 0);
  if (max === undefined && min === 0)
    throw badDefinition(node.path, "asks for nothing; give a min or a max.");
  if (max !== undefined && max < min) throw badDefinition(node.path, "max is less than min.");
  return { min, max, apartDays: members["apartDays"]?.whole(0, FARTHEST) ?? 0 };
}

/** A criterion over a view. */
export function parseEventTest(
  node: JsonNode,
  members: Members,
  valueSets: ReadonlyMap<string, unknown>,
  partialDates: PartialDates,
): EventTest {
  const { value, within, pick, count } = members;
  const picked = pick?.word(["any", "latest", "earliest"]) ?? "any";
  if (picked !== "any" && value === undefined) {
    throw badDefinition(pick!.path, `the ${picked} row is looked at for its value; say which with value.`);
  }
  if (picked !== "any" && count !== undefined) {
    throw badDefinition(count.path, `there is one ${picked} row; leave out either pick or count.`);
  }
  return {
    kind: "events",
    filter: parseFilter(node, members, valueSets),
    value: value === undefined ? undefined : parseValue(value),
    within: within === undefined ? undefined : parseWindow(within),
    partialDates: members["partialDates"]?.word(["certain", "possible"]) ?? partialDates,
    pick: picked,
    count: parseCount(count),
  };
}

/** The entry: `{"view": ..., "pick": "first"}` or `{"everyone": {"at": "2025-01-01"}}`. */
export function parseEntry(
  node: JsonNode,
  valueSets: ReadonlyMap<string, unknown>,
  partialDates: PartialDates,
): CohortEntry {
  const raw = node.value as Readonly<Record<string, unknown>> | null;
  if (typeof raw === "object" && raw !== null && "everyone" in raw) {
    const { everyone } = node.object(["everyone"]);
    const { at } = everyone!.object(["at"]);
    if (at === undefined) throw badDefinition(everyone!.path, "has to say the index day with at.");
    return { kind: "everyone", at: at.day() };
  }
  const members = node.object([...ENTRY_KEYS, "everyone"]);
  const { value, pick, between, washoutDays } = members;
  const days = between?.object(["from", "to"]);
  const [from, to] = [days?.["from"]?.day(), days?.["to"]?.day()];
  if (between !== undefined && from === undefined && to === undefined) {
    throw between.wrong("an object with from, to or both");
  }
  if (from !== undefined && to !== undefined && from > to) {
    throw badDefinition(between!.path, "ends before it begins.");
  }
  return {
    kind: "event",
    filter: parseFilter(node, members, valueSets),
    value: value === undefined ? undefined : parseValue(value),
    pick: pick?.word(["first", "last"]) ?? "first",
    between: between === undefined ? undefined : { from, to },
    washoutDays: washoutDays?.whole(1, FARTHEST),
    partialDates: members["partialDates"]?.word(["certain", "possible"]) ?? partialDates,
  };
}
