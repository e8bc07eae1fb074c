import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
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

const SORTED = "ORDER BY _lake_patient, _lake_id";

/** Ranges of patients first, then ranges of ids for rows without a patient; each holds about `rowsPerRange` rows. */
async function rangesOf(connection: Connection, select: string, rowsPerRange: number): Promise<Bound[]> {
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
  return bounds;
}

/** SQL of the number of the range that a row is in, of some that follow each other; halves them, so that few values are compared. */
function numberAmong(bounds: readonly Bound[], first: number): string {
  if (bounds.length === 1) return String(first);
  const half = bounds.length >> 1;
  const { column, from } = bounds[half]!;
  const [low, high] = [bounds.slice(0, half), bounds.slice(half)];
  return `CASE WHEN ${column} < ${quoteLiteral(from!)} THEN ${numberAmong(low, first)} ELSE ${numberAmong(high, first + half)} END`;
}

function numberOf(bounds: readonly Bound[]): string {
  const patients = bounds.filter(({ column }) => column === "_lake_patient");
  const others = bounds.slice(patients.length);
  if (patients.length === 0) return numberAmong(others, 0);
  if (others.length === 0) return numberAmong(patients, 0);
  return `CASE WHEN _lake_patient IS NULL THEN ${numberAmong(others, patients.length)} ELSE ${numberAmong(patients, 0)} END`;
}

/** Up to so many ranges are each read from the rows themselves; of more, each would read nearly all row groups for a few of their rows. */
const MOST_READ_DIRECTLY = 6;

/** True when {@link sortedRanges} may write so many rows apart first, which takes as much room as they have. */
export function areWrittenApart(rows: number, rowsPerRange: number): boolean {
  // Rows without a patient have ranges of their own.
  return Math.ceil(rows / rowsPerRange) + 1 > MOST_READ_DIRECTLY;
}

/** How rows are sorted in ranges. */
export interface RangeOptions {
  readonly rowsPerRange: number;
  /** A folder for as many bytes as the rows have, which need not be there; gone afterwards. */
  readonly folder: string;
}

/**
 * SELECTs that are each sorted by patient, then id, and together give every row of a SELECT of table rows once: ranges of
 * patients first, then ranges of ids for rows without a patient. Each holds about `rowsPerRange` rows, so that sorting needs
 * bounded memory; a single patient larger than that stays whole. Each is good until the next is asked for. Many ranges are first written apart, by one
 * read of all rows, so that the work grows as the rows do.
 */
export async function* sortedRanges(
  connection: Connection,
  select: string,
  { rowsPerRange, folder }: RangeOptions,
): AsyncGenerator<string> {
  const bounds = await rangesOf(connection, select, rowsPerRange);
  if (bounds.length <= MOST_READ_DIRECTLY) {
    for (const bound of bounds) yield `SELECT * FROM (${select}) WHERE ${condition(bound)} ${SORTED}`;
    return;
  }
  try {
    // What is buffered before it is written, of all ranges together.
    await connection.run(`SET GLOBAL partitioned_write_flush_threshold = ${rowsPerRange}`);
    await connection.run(
      `COPY (SELECT *, ${numberOf(bounds)} AS _lake_range FROM (${select})) TO ${quoteLiteral(folder)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (_lake_range))`,
    );
    for (const number of bounds.keys()) {
      const range = path.join(folder, `_lake_range=${number}`);
      if (!existsSync(range)) continue;
      yield `SELECT * FROM read_parquet(${quoteLiteral(path.join(range, "*.parquet"))}, hive_partitioning = false) ${SORTED}`;
      await rm(range, { recursive: true });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
