import type { Connection } from "#duckdb";
import { quoteLiteral } from "#duckdb";

/** Table rows from one key to before another: of patients, or of ids of rows without a patient. */
export interface KeyRange {
  readonly column: "_lake_patient" | "_lake_id";
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** SQL that is true for the rows of a range. */
export function condition(range: KeyRange): string {
  const parts: string[] = [];
  if (range.column === "_lake_id") parts.push("_lake_patient IS NULL");
  if (range.from !== undefined) parts.push(`${range.column} >= ${quoteLiteral(range.from)}`);
  if (range.to !== undefined) parts.push(`${range.column} < ${quoteLiteral(range.to)}`);
  if (parts.length === 0 && range.column === "_lake_patient") parts.push("_lake_patient IS NOT NULL");
  return parts.join(" AND ");
}

/** Cut points that divide the column's values into about `parts` ranges of equal row counts. */
async function cuts(
  connection: Connection,
  select: string,
  column: KeyRange["column"],
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

/**
 * Ranges that together have every row of a SELECT of table rows once: of patients first, then of ids for rows without a patient. Each holds about
 * `rowsPerRange` rows; a single patient larger than that stays whole.
 */
export async function rangesOf(
  connection: Connection,
  select: string,
  rowsPerRange: number,
): Promise<KeyRange[]> {
  const [counts] = await connection.rows<{ patients: string; others: string }>(
    `SELECT count(_lake_patient) AS patients, count(*) - count(_lake_patient) AS others FROM (${select})`,
  );
  const ranges: KeyRange[] = [];
  for (const [column, count, where] of [
    ["_lake_patient", Number(counts?.patients ?? 0), "_lake_patient IS NOT NULL"],
    ["_lake_id", Number(counts?.others ?? 0), "_lake_patient IS NULL"],
  ] as const) {
    if (count === 0) continue;
    const points = await cuts(connection, select, column, where, Math.ceil(count / rowsPerRange));
    const edges = [undefined, ...points, undefined];
    for (let i = 0; i + 1 < edges.length; i++) ranges.push({ column, from: edges[i], to: edges[i + 1] });
  }
  return ranges;
}
