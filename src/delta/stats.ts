import { type Connection, quoteLiteral } from "#duckdb";
import { type DeltaField, sqlTypeOf } from "./delta-type.js";

/** Statistics of one data file as the Delta protocol has them ("Per-file Statistics"), for its flat columns. */
export interface FileStats {
  readonly numRecords: number;
  readonly minValues: Readonly<Record<string, string | number>>;
  readonly maxValues: Readonly<Record<string, string | number>>;
  readonly nullCount: Readonly<Record<string, number>>;
}

/** Longer texts are cut in `minValues` and left out of `maxValues`: a cut maximum would be too small. */
const LONGEST_TEXT = 96;

/** Types whose bounds a reader can use; no booleans, they exclude nothing. */
function bounded(column: DeltaField): boolean {
  return column.type.kind === "primitive" && column.type.name !== "boolean";
}

/** A bound as SQL text: dates and instants as ISO 8601. Readers take instants in milliseconds, so a maximum is rounded up. */
function boundExpression(column: DeltaField, end: "min" | "max"): string {
  // CASE and not FILTER: other columns' bounds must not even be cast.
  const bound = `${end}(CASE WHEN path_in_schema = ${quoteLiteral(column.name)} THEN CAST(stats_${end}_value AS ${sqlTypeOf(column.type)}) END)`;
  if (column.type.kind !== "primitive" || column.type.name !== "timestamp") return `${bound}::VARCHAR`;
  const ms = `epoch_ms(epoch_ms(${bound})${end === "max" ? " + 1" : ""})`;
  return `strftime(${ms}, '%Y-%m-%dT%H:%M:%S.%gZ')`;
}

type Bound = string | number | undefined;

function jsonBound(column: DeltaField, text: string | null | undefined, end: "min" | "max"): Bound {
  if (text === null || text === undefined || column.type.kind !== "primitive") return undefined;
  switch (column.type.name) {
    case "string": {
      const characters = [...text];
      if (characters.length <= LONGEST_TEXT) return text;
      return end === "min" ? characters.slice(0, LONGEST_TEXT).join("") : undefined;
    }
    case "date":
    case "timestamp":
      // Years beyond 9999 or before year 1 are not ISO 8601 for every reader.
      return /^\d{4}-/.test(text) ? text : undefined;
    default: {
      const value = Number(text);
      // A JSON number is a double: what it cannot hold exactly could be rounded inwards.
      const exact = /^(?:double|float)$/.test(column.type.name) || text.replace(/\D/g, "").length <= 15;
      return exact && Number.isFinite(value) ? value : undefined;
    }
  }
}

/**
 * Statistics of a Parquet file, taken from its footer: nothing but metadata is read. `columns` are the published columns that the file
 * has; for the others nothing is said, which readers take as unknown.
 */
export async function fileStats(
  connection: Connection,
  path: string,
  rows: number,
  columns: readonly DeltaField[],
): Promise<FileStats> {
  const flat = columns.filter((column) => column.type.kind === "primitive");
  const minValues: Record<string, string | number> = {};
  const maxValues: Record<string, string | number> = {};
  const nullCount: Record<string, number> = {};
  if (flat.length === 0) return { numRecords: rows, minValues, maxValues, nullCount };
  const select = flat.flatMap((column, i) => {
    const at = `path_in_schema = ${quoteLiteral(column.name)}`;
    const nulls = `sum(stats_null_count) FILTER (${at}) AS n${i}`;
    // A row group with values but without bounds (texts too long for the footer) makes the whole file's bounds unknown.
    const known = `coalesce(bool_and(stats_min_value IS NOT NULL OR stats_null_count = num_values) FILTER (${at}), false) AS k${i}`;
    if (!bounded(column)) return [nulls];
    return [
      nulls,
      known,
      `${boundExpression(column, "min")} AS a${i}`,
      `${boundExpression(column, "max")} AS z${i}`,
    ];
  });
  const [row] = await connection.rows<Record<string, string | boolean | null>>(
    `SELECT ${select.join(", ")} FROM parquet_metadata(${quoteLiteral(path)})`,
  );
  for (const [i, column] of flat.entries()) {
    const nulls = row?.[`n${i}`];
    if (typeof nulls === "string" || typeof nulls === "number") nullCount[column.name] = Number(nulls);
    if (row?.[`k${i}`] !== true) continue;
    const least = jsonBound(column, row[`a${i}`] as string | null, "min");
    const most = jsonBound(column, row[`z${i}`] as string | null, "max");
    if (least !== undefined) minValues[column.name] = least;
    if (most !== undefined) maxValues[column.name] = most;
  }
  return { numRecords: rows, minValues, maxValues, nullCount };
}
