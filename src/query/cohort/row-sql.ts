/** Conditions on the rows of one view as SQL over its columns, which go by the alias `b`. */
import { parseColumnType, quoteIdentifier } from "#duckdb";
import { isLakeError } from "#kernel";
import { checkValue } from "../column-value.js";
import type { Bindings } from "./bindings.js";
import type { ColumnCondition, Conversion, EventFilter, ValueCondition, ValueSet } from "./definition.js";
import { badDefinition } from "./json-node.js";
import { CONVERTED_DIGITS, type Linear } from "./units.js";
import {
  type CodeColumn,
  type DateColumn,
  recordsRule,
  type ValueColumns,
  type ViewShape,
} from "./view-shape.js";

/** A column of the scanned view. */
export function column(name: string): string {
  return `b.${quoteIdentifier(name)}`;
}

/** Days since 1970 between which an event lies, and the moment that orders events of one day. All NULL when there is no date. */
export interface DaySql {
  readonly low: string;
  readonly high: string;
  readonly moment: string;
}

const number = (date: string): string => `CAST(${date} - DATE '1970-01-01' AS INTEGER)`;

function oneDate(date: DateColumn): DaySql {
  if (date.kind !== "text") {
    const value = column(date.column);
    const day = date.kind === "day" ? value : `CAST(${value} AS DATE)`;
    const moment = date.kind === "moment" ? `CAST(${value} AS TIMESTAMPTZ)` : "NULL::TIMESTAMPTZ";
    return { low: number(day), high: number(day), moment };
  }
  const text = column(date.text);
  const low =
    date.day === undefined
      ? `(CASE length(${text}) WHEN 4 THEN TRY_CAST(${text} || '-01-01' AS DATE) WHEN 7 THEN TRY_CAST(${text} || '-01' AS DATE) ELSE TRY_CAST(left(${text}, 10) AS DATE) END)`
      : column(date.day);
  const high = `(CASE length(${text}) WHEN 4 THEN make_date(year(${low}), 12, 31) WHEN 7 THEN last_day(${low}) ELSE ${low} END)`;
  const moment =
    date.moment === undefined ? "NULL::TIMESTAMPTZ" : `CAST(${column(date.moment)} AS TIMESTAMPTZ)`;
  return { low: number(low), high: number(high), moment };
}

/** The first of several dates that a row has. */
export function daySql(dates: readonly DateColumn[]): DaySql {
  const each = dates.map(oneDate);
  if (each.length === 0) return { low: "NULL::INTEGER", high: "NULL::INTEGER", moment: "NULL::TIMESTAMPTZ" };
  if (each.length === 1) return each[0]!;
  const pick = (part: keyof DaySql): string =>
    `CASE ${each.map((one) => `WHEN ${one.low} IS NOT NULL THEN ${one[part]}`).join(" ")} END`;
  return { low: pick("low"), high: pick("high"), moment: pick("moment") };
}

function bySystem(entries: readonly { readonly system: string | undefined; readonly text: string }[]) {
  const groups = new Map<string | undefined, string[]>();
  for (const { system, text } of entries) {
    const group = groups.get(system);
    if (group === undefined) groups.set(system, [text]);
    else group.push(text);
  }
  return groups;
}

function systemMatches(bindings: Bindings, of: CodeColumn, system: string | undefined): string | undefined {
  if (system === undefined) return "true";
  if ("of" in of.system) return of.system.of.includes(system) ? "true" : undefined;
  return `${column(of.system.column)} = ${bindings.text(system)}`;
}

function inEntries(
  bindings: Bindings,
  of: CodeColumn,
  entries: readonly { readonly system: string | undefined; readonly text: string }[],
  condition: (texts: readonly string[]) => string,
): string[] {
  return [...bySystem(entries)].flatMap(([system, texts]) => {
    const matches = systemMatches(bindings, of, system);
    return matches === undefined ? [] : [`(${matches} AND ${condition(texts)})`];
  });
}

function inValueSet(bindings: Bindings, columns: readonly CodeColumn[], set: ValueSet): string {
  const each = columns.map((of) => {
    const code = column(of.code);
    const exact = (texts: readonly string[]): string => `${code} IN ${bindings.texts(texts)}`;
    const starts = (texts: readonly string[]): string =>
      `(${texts.map((text) => `starts_with(${code}, ${bindings.text(text)})`).join(" OR ")})`;
    const codes = set.codes.map(({ system, code: text }) => ({ system, text }));
    const prefixes = set.prefixes.map(({ system, prefix }) => ({ system, text: prefix }));
    const without = set.without.map(({ system, code: text }) => ({ system, text }));
    const held = [...inEntries(bindings, of, codes, exact), ...inEntries(bindings, of, prefixes, starts)];
    const left = inEntries(bindings, of, without, exact);
    if (held.length === 0) return "false";
    const some = `coalesce(${held.join(" OR ")}, false)`;
    return left.length === 0 ? some : `(${some} AND NOT coalesce(${left.join(" OR ")}, false))`;
  });
  return `(${each.join(" OR ")})`;
}

const COMPARISONS: Readonly<Record<string, string>> = { lt: "<", le: "<=", gt: ">", ge: ">=" };

function conditionSql(bindings: Bindings, shape: ViewShape, condition: ColumnCondition): string {
  const found = shape.column(condition.column, condition.path);
  const type = parseColumnType(found.sqlType);
  if (type.kind === "list")
    throw badDefinition(condition.path, `column '${found.name}' holds lists, which have no condition.`);
  const name = column(found.name);
  if (condition.operator === "isNull") return `${name} IS ${condition.negated ? "NOT " : ""}NULL`;
  if (condition.operator === "startsWith") {
    if (type.kind !== "text") throw badDefinition(condition.path, `column '${found.name}' holds no text.`);
    return `starts_with(${name}, ${bindings.text(condition.values[0]!)})`;
  }
  const values = condition.values.map((value) => {
    try {
      return bindings.bind(checkValue(found.name, type, value), found.sqlType);
    } catch (error) {
      if (!isLakeError(error)) throw error;
      throw badDefinition(condition.path, error.message);
    }
  });
  if (condition.operator === "in" || condition.operator === "eq") return `${name} IN (${values.join(", ")})`;
  if (condition.operator === "notIn" || condition.operator === "ne") {
    return `(${name} IS NULL OR ${name} NOT IN (${values.join(", ")}))`;
  }
  if (type.kind === "text") {
    throw badDefinition(
      condition.path,
      `column '${found.name}' holds text, which has no order here; numbers end in _number, days in _date.`,
    );
  }
  return `${name} ${COMPARISONS[condition.operator]!} ${values[0]!}`;
}

/** A boolean expression, never NULL: is the row one that the filter means? */
export function filterSql(
  bindings: Bindings,
  shape: ViewShape,
  filter: EventFilter,
  valueSets: ReadonlyMap<string, ValueSet>,
): string {
  const conditions = filter.where.map(
    (condition) => `coalesce(${conditionSql(bindings, shape, condition)}, false)`,
  );
  if (filter.in.length > 0) {
    const columns = shape.codes(filter.code, filter.path);
    const sets = filter.in.map((name) => inValueSet(bindings, columns, valueSets.get(name)!));
    conditions.push(`(${sets.join(" OR ")})`);
  }
  if (filter.records === "valid") {
    for (const [name, values] of Object.entries(recordsRule)) {
      if (!shape.has(name)) continue;
      const list = values.map((value) => `'${value}'`).join(", ");
      conditions.push(`(${column(name)} IS NULL OR CAST(${column(name)} AS VARCHAR) NOT IN (${list}))`);
    }
  }
  return conditions.length === 0 ? "true" : conditions.join(" AND ");
}

/** What a value condition is read from: columns, the unit it is compared in, and how other units become that. */
export interface ValueSpec {
  readonly columns: ValueColumns;
  readonly unit: string | undefined;
}

/** The columns of a value condition and the unit in which it is compared; undefined when the unit does not matter. */
export function valueSpec(
  shape: ViewShape,
  condition: Pick<ValueCondition, "column" | "unit" | "path">,
): ValueSpec {
  const columns = shape.value(condition.column, condition.path);
  if (columns.unit === undefined && condition.unit !== undefined && condition.unit !== "any") {
    throw badDefinition(
      `${condition.path}.unit`,
      `view '${shape.view.name}' has no unit for '${columns.value}'; leave it out.`,
    );
  }
  if (columns.unit !== undefined && condition.unit === undefined) {
    throw badDefinition(
      condition.path,
      `say the unit (UCUM) in which '${columns.value}' is compared, or "unit": "any" to compare numbers as they stand.`,
    );
  }
  return { columns, unit: condition.unit === "any" ? undefined : condition.unit };
}

/** The converted value of a row, NULL when it has none or its unit cannot be converted. `u` is the joined table of units. */
export function convertedSql(
  bindings: Bindings,
  shape: ViewShape,
  { columns, unit }: ValueSpec,
  conversions: readonly Conversion[],
  u: string,
): string {
  const raw = `CAST(${column(columns.value)} AS DOUBLE)`;
  if (unit === undefined || columns.unit === undefined) return raw;
  const rounded = (value: string): string =>
    `CAST(format('{:.${CONVERTED_DIGITS - 1}e}', ${value}) AS DOUBLE)`;
  const its = column(columns.unit);
  const codes = ["code", "loinc_code", "snomed_code"].filter((name) => shape.has(name)).map(column);
  const own = conversions
    .filter(({ to }) => to === unit && codes.length > 0)
    .map(({ code, from, factor, offset }) => {
      const matches = codes.map((name) => `${name} = ${bindings.text(code)}`).join(" OR ");
      const linear = `${raw} * ${bindings.bind(String(factor), "DOUBLE")} + ${bindings.bind(String(offset), "DOUBLE")}`;
      return `WHEN ${its} = ${bindings.text(from)} AND (${matches}) THEN ${rounded(linear)}`;
    });
  const plain = `WHEN ${its} = ${bindings.text(unit)} OR (${u}.factor = 1 AND ${u}."offset" = 0) THEN ${raw}`;
  return `CASE WHEN ${raw} IS NULL THEN NULL ${own.join(" ")} ${plain} WHEN ${u}.factor IS NOT NULL THEN ${rounded(`${raw} * ${u}.factor + ${u}."offset"`)} END`;
}

/** Joins the units that occur, and how each becomes the wanted one. */
export function unitJoin(
  bindings: Bindings,
  unitColumn: string,
  units: ReadonlyMap<string, Linear>,
  u: string,
): string {
  const rows = [...units].map(([unit, { factor, offset }]) => ({ unit, factor, offset }));
  const table = `(SELECT r.unit, r.factor, r."offset" FROM (SELECT unnest(from_json(${bindings.text(JSON.stringify(rows))}, '[{"unit":"VARCHAR","factor":"DOUBLE","offset":"DOUBLE"}]')) AS r))`;
  return `LEFT JOIN ${table} AS ${u} ON ${u}.unit = ${column(unitColumn)}`;
}

/**
 * Whether a value surely lies within bounds. A comparator makes it an interval: `<5` is everything below 5. NULL is no value, so no.
 */
export function valueTest(
  bindings: Bindings,
  { low, high }: Pick<ValueCondition, "low" | "high">,
  value: string,
  comparator: string,
): string {
  const bound = (number: number): string => bindings.bind(String(number), "DOUBLE");
  const parts: string[] = [];
  if (low !== undefined) {
    const at = bound(low.value);
    const open = low.open
      ? `(${value} > ${at} OR (${value} = ${at} AND ${comparator} = '>'))`
      : `${value} >= ${at}`;
    parts.push(`(${comparator} IS NULL OR ${comparator} IN ('>', '>=')) AND ${open}`);
  }
  if (high !== undefined) {
    const at = bound(high.value);
    const open = high.open
      ? `(${value} < ${at} OR (${value} = ${at} AND ${comparator} = '<'))`
      : `${value} <= ${at}`;
    parts.push(`(${comparator} IS NULL OR ${comparator} IN ('<', '<=')) AND ${open}`);
  }
  return `coalesce(${parts.join(" AND ")}, false)`;
}
