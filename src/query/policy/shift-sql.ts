import { parseColumnType, quoteIdentifier } from "#duckdb";
import type { ViewColumn } from "../catalog.js";

/*
 * Dates move back by `_raw._shift` days. A bound of a partial date (2019, 2019-03) always lies at the edge of its year or month, so that
 * a moved bound would tell the days; such a bound is moved and then put back to the edge of the year or month that it falls in.
 */

const SHIFT = "_raw._shift";
const DAYS = `to_days(${SHIFT})`;

/** The text column whose precision a bound has: `x` or `x_text` of `x_start`; `start_text` of `period_start` and `start_date`. */
export function textOf(column: ViewColumn, columns: readonly ViewColumn[]): ViewColumn | undefined {
  const { name } = column;
  const names: string[] = [];
  const period = /^(.*_)?period_(start|end)$/.exec(name) ?? /^(.*_)?(start|end)_date$/.exec(name);
  if (period !== null) names.push(`${period[1] ?? ""}${period[2]!}_text`);
  const stem = /^(.+)_(?:start|end|date|at)$/.exec(name)?.[1];
  if (stem !== undefined) names.push(stem, `${stem}_text`);
  const found = columns.filter(
    (other) => names.includes(other.name) && parseColumnType(other.sqlType).kind === "text",
  );
  return names.flatMap((one) => found.filter((other) => other.name === one))[0];
}

interface Edges {
  readonly year: string;
  readonly month: string;
}

/** Puts `moved` to the edge that fits how exact the text says it is; without a text, how exact the raw value looks. */
function snapped(exact: string, edges: Edges, atEdge: Edges, text: ViewColumn | undefined): string {
  const seems = `WHEN ${atEdge.year} THEN ${edges.year} WHEN ${atEdge.month} THEN ${edges.month} ELSE ${exact}`;
  if (text === undefined) return `CASE ${seems} END`;
  const length = `length(_raw.${quoteIdentifier(text.name)})`;
  return `CASE WHEN ${length} >= 10 THEN ${exact} WHEN ${length} = 4 THEN ${edges.year} WHEN ${length} = 7 THEN ${edges.month} ${seems} END`;
}

/** True for a column that holds the latest that something can mean. */
export function isEnd({ name }: Pick<ViewColumn, "name">): boolean {
  return name.endsWith("_end") || /(?:^|_)end_date$/.test(name);
}

/** A day. */
export function shiftDate(column: ViewColumn, value: string, columns: readonly ViewColumn[]): string {
  const moved = `CAST(${value} - ${DAYS} AS DATE)`;
  const text = textOf(column, columns);
  if (isEnd(column)) {
    const edges = {
      year: `make_date(year(${moved}), 12, 31)`,
      month: `last_day(${moved})`,
    };
    const next = `(${value} + 1)`;
    return snapped(moved, edges, { year: `dayofyear(${next}) = 1`, month: `day(${next}) = 1` }, text);
  }
  const edges = {
    year: `CAST(date_trunc('year', ${moved}) AS DATE)`,
    month: `CAST(date_trunc('month', ${moved}) AS DATE)`,
  };
  return snapped(moved, edges, { year: `dayofyear(${value}) = 1`, month: `day(${value}) = 1` }, text);
}

/**
 * A moment. What is written without a zone may stand for any place on earth: its earliest bound is counted from +14:00, its latest to
 * -12:00 (viewdefinitions/README.md). An end may be that of a Period, of whose text the view has nothing, so that only its value counts.
 */
export function shiftMoment(column: ViewColumn, value: string, columns: readonly ViewColumn[]): string {
  const zoned = parseColumnType(column.sqlType);
  const plain = `make_timestamp(epoch_us(${value}))`;
  const end = isEnd(column);
  const hours = end ? "- INTERVAL 12 HOUR" : "+ INTERVAL 14 HOUR";
  const back = end ? "+ INTERVAL 12 HOUR" : "- INTERVAL 14 HOUR";
  const local = `(${plain} ${hours})`;
  const moved = `(${plain} - ${DAYS})`;
  const movedLocal = `(${local} - ${DAYS})`;
  const edge = (part: string): string =>
    end
      ? `(date_trunc('${part}', ${movedLocal}) + INTERVAL 1 ${part} - INTERVAL 1 MILLISECOND ${back})`
      : `(date_trunc('${part}', ${movedLocal}) ${back})`;
  const first = end ? `(${local} + INTERVAL 1 MILLISECOND)` : local;
  const midnight = `date_trunc('day', ${first}) = ${first}`;
  const atEdge = {
    year: `(${midnight} AND dayofyear(${first}) = 1)`,
    month: `(${midnight} AND day(${first}) = 1)`,
  };
  const text = end ? undefined : textOf(column, columns);
  const sql = snapped(moved, { year: edge("year"), month: edge("month") }, atEdge, text);
  return zoned.kind === "timestamp" && zoned.zone ? `make_timestamptz(epoch_us(${sql}))` : sql;
}

/** A FHIR date or dateTime as text: moved to the precision that it has; NULL for text that is none. The time of day stays. */
export function shiftText(value: string): string {
  const moved = (day: string, form: string): string =>
    `strftime(CAST(try_cast(${day} AS DATE) - ${DAYS} AS DATE), '${form}')`;
  return `CASE
    WHEN regexp_full_match(${value}, '\\d{4}-\\d{2}-\\d{2}(T[0-9:.Z+-]*)?') THEN ${moved(`substr(${value}, 1, 10)`, "%Y-%m-%d")} || substr(${value}, 11)
    WHEN regexp_full_match(${value}, '\\d{4}-\\d{2}') THEN ${moved(`(${value} || '-01')`, "%Y-%m")}
    WHEN regexp_full_match(${value}, '\\d{4}') THEN ${moved(`(${value} || '-01-01')`, "%Y")} END`;
}
