import { BIGINT, BOOLEAN, type DataType, listOf, NUMBER, type Operation, TEXT } from "#plan";
import { NUMBER_TYPE, typeName } from "../type-name.js";
import type { Value } from "../value.js";
import { first, infix, itemType, named, type Spelling } from "./spelling.js";

const ID = "[A-Za-z0-9.-]{1,64}";

/**
 * The last `Type/id` of a reference to a resource, relative or absolute, with or without a version; a conditional reference has none.
 * Nearly all references are plain `Type/id`, which simple text functions recognise many times faster than the pattern for the rest.
 */
function referenceKeyPath(reference: string, type: string | undefined): string {
  const name = type === undefined ? "[A-Z][A-Za-z]*" : type.slice(1, -1);
  const found = `regexp_extract(${reference}, '(?:^|/)(${name}/${ID})(?:/_history/[^/]*)?$', 1)`;
  const noQuery = `NOT contains(${reference}, '?')`;
  const starts =
    type === undefined
      ? `${reference} LIKE '_%/_%' AND ${reference} >= 'A' AND ${reference} < '['`
      : `starts_with(${reference}, '${name}/') AND ${reference} <> '${name}/'`;
  const possible = type === undefined ? `contains(${reference}, '/')` : `contains(${reference}, '${name}/')`;
  return (
    `CASE WHEN ${starts} AND ${reference} NOT LIKE '%/%/%' AND ${noQuery} THEN ${reference} ` +
    `WHEN ${possible} AND ${noQuery} THEN nullif(${found}, '') END`
  );
}

function zippedType(values: DataType, elements: DataType): DataType {
  const item = (type: DataType): DataType => (type.kind === "list" ? type.item : type);
  const fields = new Map([
    ["value", item(values)],
    ["element", item(elements)],
  ]);
  return listOf({ kind: "struct", fields });
}

/** Pairs by position. A side that is NULL whatever the data must not be indexed: the engine would lose its type. */
function zipElements(values: Value, elements: Value): string {
  const nothing = (side: Value): string => `CAST(NULL AS ${typeName(itemType([side]))})`;
  if (elements.constant === null) {
    const kept = `list_filter(${values.sql}, lambda z: z IS NOT NULL)`;
    return `list_transform(${kept}, lambda z: {'value': z, 'element': ${nothing(elements)}})`;
  }
  const sides = [values, elements].filter((side) => side.constant !== null);
  const lengths = sides.map((side) => `coalesce(len(${side.sql}), 0)`);
  const length = lengths.length === 1 ? lengths[0]! : `greatest(${lengths.join(", ")})`;
  const at = (side: Value): string =>
    side.constant === null ? nothing(side) : `list_extract(${side.sql}, z)`;
  const zipped = `list_transform(range(1, ${length} + 1), lambda z: {'value': ${at(values)}, 'element': ${at(elements)}})`;
  const present = "struct_extract(z, 'value') IS NOT NULL OR struct_extract(z, 'element') IS NOT NULL";
  return `(CASE WHEN ${length} > 0 THEN list_filter(${zipped}, lambda z: ${present}) END)`;
}

/** Items from a position on; the engine would take a NULL bound for an open one. */
function listSlice(list: string, start: string, count: string | undefined): string {
  const bounds = count === undefined ? [start] : [start, count];
  const isLiteral = (sql: string): boolean => /^\d+$/.test(sql);
  const [from, limit] = bounds.map((sql) => (isLiteral(sql) ? sql : `greatest(${sql}, 0)`));
  const slice = `list_slice(${list}, ${from} + 1, ${limit === undefined ? `len(${list})` : `${from} + ${limit}`})`;
  const open = bounds.filter((sql) => !isLiteral(sql)).map((sql) => `${sql} IS NOT NULL`);
  return open.length === 0 ? slice : `(CASE WHEN ${open.join(" AND ")} THEN ${slice} END)`;
}

/** Collections, and keys of references. */
export const LISTS = {
  listLength: { type: BIGINT, sql: ([a]) => `coalesce(len(${a}), 0)` },
  listItem: {
    type: itemType,
    sql: ([a, index]) =>
      /^\d+$/.test(index!)
        ? `list_extract(${a}, ${Number(index) + 1})`
        : `list_extract(${a}, CASE WHEN ${index} >= 0 THEN ${index} + 1 END)`,
  },
  listSlice: { type: first, sql: ([a, start, count]) => listSlice(a!, start!, count) },
  onlyItem: {
    type: itemType,
    // A list that is already there can be named twice; any other is bound first, so that it is computed once.
    sql: ([a, failure]) =>
      /^"[^"]+"$/.test(a!)
        ? `(CASE WHEN len(${a}) > 1 THEN ${failure} ELSE list_extract(${a}, 1) END)`
        : `list_extract(list_transform([${a}], lambda k: CASE WHEN len(k) > 1 THEN ${failure} ELSE list_extract(k, 1) END), 1)`,
  },
  flatten: { type: itemType, sql: ([a]) => `flatten(${a})` },
  listConcatenate: named("list_concat", first),
  listOf: {
    type: (args) => listOf(args[0]!.type),
    sql: ([a]) => `(CASE WHEN ${a} IS NOT NULL THEN [${a}] ELSE [] END)`,
  },
  listRange: { type: listOf(BIGINT), sql: ([a]) => `range(${a})` },
  listDistinct: {
    type: first,
    sql: ([a]) => `list_filter(${a}, lambda d, di: list_position(${a}, d) = di)`,
  },
  listContains: named("list_contains", BOOLEAN),
  listEqual: infix("=", BOOLEAN),
  listReverse: named("list_reverse", first),
  zipElements: {
    type: ([values, elements]) => zippedType(values!.type, elements!.type),
    sql: (_args, [values, elements]) => zipElements(values!, elements!),
  },
  listJoin: {
    type: TEXT,
    sql: ([a, separator]) => {
      // The engine joins with a constant separator only.
      const constant = /^\(?E?'/.test(separator!);
      const joined = constant
        ? `array_to_string(${a}, ${separator})`
        : `list_reduce(${a}, lambda d, e: d || ${separator} || e)`;
      return `(CASE WHEN len(${a}) > 0 THEN ${joined} END)`;
    },
  },
  listAny: { type: BOOLEAN, sql: ([a]) => `coalesce(list_bool_or(${a}), FALSE)` },
  listAll: {
    type: BOOLEAN,
    sql: ([a]) => `coalesce(list_bool_and(list_transform(${a}, lambda d: coalesce(d, FALSE))), TRUE)`,
  },
  listAllKnown: {
    type: BOOLEAN,
    sql: ([a]) =>
      `(CASE WHEN list_contains(${a}, FALSE) THEN FALSE WHEN len(list_filter(${a}, lambda d: d IS NULL)) = 0 THEN TRUE END)`,
  },
  listSum: { type: NUMBER, sql: ([a]) => `TRY_CAST(list_sum(${a}) AS ${NUMBER_TYPE})` },
  listMinimum: named("list_min", NUMBER),
  listMaximum: named("list_max", NUMBER),
  referenceKeyPath: { type: TEXT, sql: ([a, type]) => `(${referenceKeyPath(a!, type)})` },
} satisfies Partial<Record<Operation, Spelling>>;
