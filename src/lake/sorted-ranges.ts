import type { Connection } from "#duckdb";
import { quoteLiteral } from "#duckdb";

interface Bound {
  readonly column: "_lake_patient" | "_lake_id";
  readonly from: string | undefined;
  readonly to: string | undefined;
}

function condition(bound: Bound): string {
  const parts: string[] = [];
  if (bound.column === "_lake_id") parts.push("_lake_patient IS NULL");
  if (bound.from !== undefined) parts.push(`${bound.column} >= ${quoteLiteral(bound.from)}`);
  if (bound.to !== undefined) parts.push(`${bound.column} < ${quoteLiteral(bound.to)}`);
  if (parts.length === 0 && bound.column === "_lake_patient") parts.push("_lake_patient IS NOT NULL");
  return parts.join(" AND ");
}

/** Cut points that divide the column's values into about `parts` ranges of equal row counts. */
async function cuts(
  connection: Connection,
  select: string,
  column: Bound["column"],
  where: string,
  parts: number,
): Promise<string[]> {
  if (parts <= 1) return [];
  const fractions = Array.from({ length: parts - 1 }, (_, i) => ((i + 1) / parts).toFixed(6));
  const [row] = await connection.rows<{ cuts: string[] | null }>(
    `SELECT quantile_disc(${column}, [${fractions.join(", ")}]) AS cuts FROM (${select}) WHERE ${where}`,
  );
  return [...new Set(row?.cuts ?? [])];
}

/** What a row takes in the engine however small its values are: it has a place in every column. */
const LEAST_ROW_BYTES = 1_400;

/**
 * How many rows of Parquet files may be sorted at once when those may take `bytes`. A type's rows can be ten times as large as another's, and
 * so many of them ten times as many bytes.
 */
export async function rowsWithin(
  connection: Connection,
  bytes: number,
  files: readonly string[],
): Promise<number> {
  const list = files.map(quoteLiteral).join(", ");
  const [sizes] = await connection.rows<{ rows: string; bytes: string }>(
    `SELECT (SELECT coalesce(sum(num_rows), 0) FROM parquet_file_metadata([${list}])) AS rows, coalesce(sum(total_uncompressed_size), 0) AS bytes FROM parquet_metadata([${list}])`,
  );
  const rowBytes = Number(sizes?.bytes ?? 0) / Math.max(1, Number(sizes?.rows ?? 0));
  return Math.max(1, Math.floor(bytes / Math.max(LEAST_ROW_BYTES, rowBytes)));
}

/**
 * Splits a SELECT of table rows into SELECTs that are each sorted by patient, then id, and together give every row once: ranges of
 * patients first, then ranges of ids for rows without a patient. Each holds about `rowsPerRange` rows, so that sorting needs
 * bounded memory; a single patient larger than that stays whole.
 */
export async function sortedRanges(
  connection: Connection,
  select: string,
  rowsPerRange: number,
): Promise<string[]> {
  const [counts] = await connection.rows<{ patients: string; others: string }>(
    `SELECT count(_lake_patient) AS patients, count(*) - count(_lake_patient) AS others FROM (${select})`,
  );
  const bounds: Bound[] = [];
  for (const [column, count, where] of [
    ["_lake_patient", Number(counts?.patients ?? 0), "_lake_patient IS NOT NULL"],
    ["_lake_id", Number(counts?.others ?? 0), "_lake_patient IS NULL"],
  ] as const) {
    if (count === 0) continue;
    const points = await cuts(connection, select, column, where, Math.ceil(count / rowsPerRange));
    const edges = [undefined, ...points, undefined];
    for (let i = 0; i + 1 < edges.length; i++) bounds.push({ column, from: edges[i], to: edges[i + 1] });
  }
  return bounds.map(
    (b) => `SELECT * FROM (${select}) WHERE ${condition(b)} ORDER BY _lake_patient, _lake_id`,
  );
}
