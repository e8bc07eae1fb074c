import { parseColumnType, quoteIdentifier, quoteLiteral } from "#duckdb";
import type { ViewColumn } from "../catalog.js";
import type { ColumnRule } from "./policy.js";
import { isEnd, shiftDate, shiftMoment, shiftText } from "./shift-sql.js";

/** What the SQL of a rule is made with. */
export interface RuleContext {
  readonly key: string;
  /** The day of the state, ISO: ages are capped by it. */
  readonly day: string;
  readonly columns: readonly ViewColumn[];
}

/** Three-digit areas of fewer than 20,000 people by the census of 2000, which stand as 000 (guidance on 45 CFR 164.514(b)). */
const SMALL_AREAS = "036,059,063,102,203,556,692,790,821,823,830,831,878,879,884,890,893".split(",");

/** Persons older than 89 stand as if they were this old. */
const OLDEST = 90;

/** A digest of text that nobody makes without the key: 32 hex digits. */
export function keyedHash(key: string, label: string, value: string): string {
  const inner = `sha256(${quoteLiteral(`${key}:${label}:`)} || ${value})`;
  return `substr(sha256(${quoteLiteral(`${label}:${key}:`)} || ${inner}), 1, 32)`;
}

/** Keys of resources keep source and type, so that what is asked by them goes on working; other text is hashed whole. */
function hashed(key: string, value: string): string {
  const parts = `regexp_matches(${value}, '^[^/]+/[A-Z][A-Za-z]+/.')`;
  const hash = keyedHash(key, "key", value);
  const place = `split_part(${value}, '/', 1) || '/' || split_part(${value}, '/', 2) || '/'`;
  return `CASE WHEN ${parts} THEN ${place} || ${hash} ELSE ${hash} END`;
}

function isBirth({ name, path }: ViewColumn): boolean {
  return /birth_?date/i.test(name) || path.startsWith("birthDate");
}

function floorDay(day: string): string {
  return `CAST(DATE ${quoteLiteral(day)} - INTERVAL ${OLDEST} YEAR AS DATE)`;
}

function yearOf(column: ViewColumn, value: string): string | undefined {
  const { kind } = parseColumnType(column.sqlType);
  const end = isEnd(column);
  if (kind === "date") {
    const first = `make_date(year(${value}), 1, 1)`;
    return end ? `make_date(year(${value}), 12, 31)` : first;
  }
  if (kind === "timestamp") {
    const first = `date_trunc('year', ${value})`;
    return end ? `${first} + INTERVAL 1 YEAR - INTERVAL 1 MILLISECOND` : first;
  }
  return kind === "text"
    ? `CASE WHEN regexp_matches(${value}, '^\\d{4}(-\\d{2}){0,2}(T|$)') THEN substr(${value}, 1, 4) END`
    : undefined;
}

function shifted(column: ViewColumn, value: string, { columns }: RuleContext): string | undefined {
  const { kind } = parseColumnType(column.sqlType);
  if (kind === "date") return shiftDate(column, value, columns);
  if (kind === "timestamp") return shiftMoment(column, value, columns);
  return kind === "text" ? shiftText(value) : undefined;
}

/** Dates of birth of persons older than 89 move up to that age. */
function capped(column: ViewColumn, value: string, { day }: RuleContext): string {
  if (!isBirth(column)) return value;
  const { kind } = parseColumnType(column.sqlType);
  const floor = floorDay(day);
  if (kind === "date") return `CASE WHEN ${value} < ${floor} THEN ${floor} ELSE ${value} END`;
  if (kind !== "text") return value;
  const shown = `substr(strftime(${floor}, '%Y-%m-%d'), 1, least(length(${value}), 10))`;
  return `CASE WHEN substr(${value}, 1, 10) < ${shown} THEN ${shown} ELSE ${value} END`;
}

/**
 * The SQL of a column under a rule, over a relation `_raw` with the columns and `_shift`, the days by which dates move back. Undefined when
 * the rule does not fit the type of the column. `drop` has none: such a column is not selected.
 */
export function ruleSql(
  column: ViewColumn,
  rule: Exclude<ColumnRule, "drop">,
  context: RuleContext,
): string | undefined {
  const value = `_raw.${quoteIdentifier(column.name)}`;
  const { kind } = parseColumnType(column.sqlType);
  switch (rule) {
    case "keep":
      return value;
    case "hash":
      return kind === "text" ? hashed(context.key, value) : undefined;
    case "zip3": {
      const small = SMALL_AREAS.map((area) => quoteLiteral(area)).join(", ");
      const area = `regexp_extract(${value}, '^(\\d{3})', 1)`;
      return kind === "text"
        ? `CASE WHEN ${area} IN (${small}) THEN '000' WHEN ${area} <> '' THEN ${area} END`
        : undefined;
    }
    case "cap90":
      return ["integer", "decimal", "double", "float"].includes(kind)
        ? `CAST(CASE WHEN ${value} > 89 THEN ${OLDEST} ELSE ${value} END AS ${column.sqlType})`
        : undefined;
    case "year":
    case "shift": {
      const changed = rule === "year" ? yearOf(column, value) : shifted(column, value, context);
      if (changed === undefined) return undefined;
      return `CAST(${capped(column, `(${changed})`, context)} AS ${column.sqlType})`;
    }
  }
}
