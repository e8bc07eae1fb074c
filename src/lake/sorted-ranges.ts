import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Connection } from "#duckdb";
import { quoteLiteral } from "#duckdb";
import { isLakeError } from "#kernel";
import { condition, type KeyRange, rangesOf } from "./key-ranges.js";

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

/** Ranges that follow each other. */
type Group = readonly [KeyRange, ...KeyRange[]];

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
function grouped(ranges: readonly KeyRange[]): Group[] {
  const size = Math.ceil(ranges.length / GROUPS);
  const groups: [KeyRange, ...KeyRange[]][] = [];
  for (const range of ranges) {
    const last = groups.at(-1);
    if (last === undefined || last.length === size || last[0].column !== range.column) groups.push([range]);
    else last.push(range);
  }
  return groups;
}

/** Parts that rows are written apart into at once: the engine buffers a row group of each. */
const GROUPS = 8;

/** The engine's vector: row groups have a multiple of it. */
const LEAST_ROW_GROUP = 2048;

/**
 * Up to so many ranges are each read from the rows themselves; of more, each would read nearly all row groups for a few of their rows. Writing
 * rows costs as much as reading them about a dozen times.
 */
const MOST_READ_DIRECTLY = 12;

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
  options: RangeOptions,
): AsyncGenerator<string> {
  const ranges = await rangesOf(connection, select, options.rowsPerRange);
  // So many rows may be in memory before they are written apart, too.
  await connection.run(`SET GLOBAL partitioned_write_flush_threshold = ${options.rowsPerRange}`);
  yield* rangesWithin(connection, select, ranges, options);
}

/** Rows of a row group of which one for each part is in memory: as many together as may be sorted. */
function rowGroupOf(rowsPerRange: number): number {
  return Math.max(1, Math.floor(rowsPerRange / GROUPS / LEAST_ROW_GROUP)) * LEAST_ROW_GROUP;
}

/** Writes each group's rows apart, in a folder `_lake_group=<number>` for each that has some. False where memory does not suffice: nothing is there then. */
async function writeApart(
  connection: Connection,
  select: string,
  groups: readonly Group[],
  { rowsPerRange, folder }: RangeOptions,
): Promise<boolean> {
  try {
    await connection.run(
      `COPY (SELECT *, ${numberOf(groups)} AS _lake_group FROM (${select})) TO ${quoteLiteral(folder)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE ${rowGroupOf(rowsPerRange)}, PARTITION_BY (_lake_group))`,
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
  ranges: readonly KeyRange[],
  options: RangeOptions,
): AsyncGenerator<string> {
  const { folder } = options;
  const groups = grouped(ranges);
  try {
    // Where rows are so wide that not even a row group of each part fits, ranges are read directly, however many they are.
    if (ranges.length <= MOST_READ_DIRECTLY || !(await writeApart(connection, select, groups, options))) {
      for (const range of ranges) yield `SELECT * FROM (${select}) WHERE ${condition(range)} ${SORTED}`;
      return;
    }
    for (const [number, group] of groups.entries()) {
      const part = path.join(folder, `_lake_group=${number}`);
      if (!existsSync(part)) continue;
      const rows = `SELECT * FROM read_parquet(${quoteLiteral(path.join(part, "*.parquet"))}, hive_partitioning = false)`;
      yield* rangesWithin(connection, rows, group, {
        ...options,
        folder: path.join(folder, `within-${number}`),
      });
      await rm(part, { recursive: true });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
