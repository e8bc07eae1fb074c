import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Connection } from "#duckdb";
import { quoteLiteral } from "#duckdb";
import { isLakeError } from "#kernel";

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

/** Ranges that follow each other. */
type Group = readonly [Bound, ...Bound[]];

/** SQL of the number of the group that a row is in, of some whose first has the number `first`; halves them, so that few values are compared. */
function numberAmong(groups: readonly Group[], first: number): string {
  if (groups.length === 1) return String(first);
  const half = groups.length >> 1;
  const [{ column, from }] = groups[half]!;
  const [low, high] = [groups.slice(0, half), groups.slice(half)];
  return `CASE WHEN ${column} < ${quoteLiteral(from!)} THEN ${numberAmong(low, first)} ELSE ${numberAmong(high, first + half)} END`;
}

function numberOf(groups: readonly Group[]): string {
  const patients = groups.filter(([{ column }]) => column === "_lake_patient");
  const others = groups.slice(patients.length);
  if (patients.length === 0) return numberAmong(others, 0);
  if (others.length === 0) return numberAmong(patients, 0);
  return `CASE WHEN _lake_patient IS NULL THEN ${numberAmong(others, patients.length)} ELSE ${numberAmong(patients, 0)} END`;
}

/** Groups of about equal length; none has ranges of both columns. */
function grouped(bounds: readonly Bound[]): Group[] {
  const size = Math.ceil(bounds.length / GROUPS);
  const groups: [Bound, ...Bound[]][] = [];
  for (const bound of bounds) {
    const last = groups.at(-1);
    if (last === undefined || last.length === size || last[0].column !== bound.column) groups.push([bound]);
    else last.push(bound);
  }
  return groups;
}

/** Parts that rows are written apart into at once: the engine buffers some thousands of rows of each. */
const GROUPS = 8;

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
 * bounded memory; a single patient larger than that stays whole. Each is good until the next is asked for. Many ranges are first written apart, some
 * by one read of all rows and each of these further, so that the work grows as the rows do.
 */
export async function* sortedRanges(
  connection: Connection,
  select: string,
  { rowsPerRange, folder }: RangeOptions,
): AsyncGenerator<string> {
  const bounds = await rangesOf(connection, select, rowsPerRange);
  // So many rows may be in memory before they are written apart, too.
  await connection.run(`SET GLOBAL partitioned_write_flush_threshold = ${rowsPerRange}`);
  yield* rangesWithin(connection, select, bounds, folder);
}

/** Writes each group's rows apart, in a folder `_lake_group=<number>` for each that has some. False where memory does not suffice: nothing is there then. */
async function writeApart(
  connection: Connection,
  select: string,
  groups: readonly Group[],
  folder: string,
): Promise<boolean> {
  try {
    await connection.run(
      `COPY (SELECT *, ${numberOf(groups)} AS _lake_group FROM (${select})) TO ${quoteLiteral(folder)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (_lake_group))`,
    );
    return true;
  } catch (error) {
    if (!isLakeError(error, "duckdb/out-of-memory")) throw error;
    await rm(folder, { recursive: true, force: true });
    return false;
  }
}

async function* rangesWithin(
  connection: Connection,
  select: string,
  bounds: readonly Bound[],
  folder: string,
): AsyncGenerator<string> {
  const groups = grouped(bounds);
  try {
    // The engine buffers rows of hundreds of columns for each group: ranges of such are read directly, however many they are.
    if (bounds.length <= MOST_READ_DIRECTLY || !(await writeApart(connection, select, groups, folder))) {
      for (const bound of bounds) yield `SELECT * FROM (${select}) WHERE ${condition(bound)} ${SORTED}`;
      return;
    }
    for (const [number, group] of groups.entries()) {
      const part = path.join(folder, `_lake_group=${number}`);
      if (!existsSync(part)) continue;
      const rows = `SELECT * FROM read_parquet(${quoteLiteral(path.join(part, "*.parquet"))}, hive_partitioning = false)`;
      yield* rangesWithin(connection, rows, group, path.join(folder, `within-${number}`));
      await rm(part, { recursive: true });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
