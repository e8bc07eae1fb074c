import { chmod, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, Database, quoteIdentifier, quoteLiteral } from "#duckdb";
import { LakeError } from "#kernel";
import { type GroupEnds, RowGroups } from "./row-groups.js";

/** Rows that are to be copied. */
export interface CopyRequest {
  /** One SELECT over files. */
  readonly select: string;
  /** How many rows it must give. */
  readonly rows: number;
  /** The text column by which the rows are sorted, where they are. */
  readonly clustered: string | undefined;
  /** The database file to make. */
  readonly file: string;
  /** A larger file is given up. */
  readonly mostBytes: number;
  readonly memoryLimitBytes: number;
  readonly signal: AbortSignal;
}

/** A copy that is complete. */
export interface WrittenCopy {
  readonly sizeBytes: number;
  /** Where rows lie by the clustered column; undefined without one. */
  readonly groups: RowGroups | undefined;
}

/** Name of the table in a copy, and of its column that numbers groups of rows. */
export const COPIED_ROWS = "copied";
export const GROUP_COLUMN = "_lake_group";

/** Rows of a group, of which a page reads two or three; a very large copy has larger groups, since where each lies is kept in memory. */
const LEAST_GROUP_ROWS = 256;
const MOST_GROUPS = 16_384;
const LOOK_MS = 250;

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

/** Aborts when the file has outgrown its bound; ends with the work. */
async function watchSize(
  file: string,
  mostBytes: number,
  tooBig: AbortController,
  end: AbortSignal,
): Promise<void> {
  while (!end.aborted) {
    if ((await sizeOf(file)) > mostBytes) tooBig.abort();
    await sleep(LOOK_MS, undefined, { signal: end }).catch(() => undefined);
  }
}

/** Removes a copy's file and what the engine may have put beside it. */
export async function removeCopy(file: string): Promise<void> {
  await rm(file, { force: true });
  await rm(`${file}.wal`, { force: true });
}

function outgrown(mostBytes: number): LakeError {
  return new LakeError(
    "unavailable",
    "query/copy-too-big",
    `A copy of a view's rows would take more than ${mostBytes} bytes; it is given up, and the files are read as before.`,
  );
}

async function copyRows(
  connection: Connection,
  request: CopyRequest,
  signal: AbortSignal,
): Promise<RowGroups | undefined> {
  const { select, rows, clustered } = request;
  const table = `made.main.${COPIED_ROWS}`;
  const groupRows = Math.max(LEAST_GROUP_ROWS, Math.ceil(rows / MOST_GROUPS));
  const [made] = await connection.rows<{ Count: string }>(
    `CREATE TABLE ${table} AS SELECT *, (row_number() OVER () - 1) // ${groupRows} AS ${GROUP_COLUMN} FROM (${select})`,
    [],
    { signal },
  );
  if (Number(made?.Count) !== rows) {
    throw new LakeError(
      "corrupt-data",
      "query/copy-differs",
      `A copy of a view's rows has ${made?.Count} of them where its snapshot says ${rows}; run fhir-lake verify.`,
    );
  }
  if (clustered === undefined) return undefined;
  const column = quoteIdentifier(clustered);
  const ends = await connection.rows<GroupEnds>(
    `SELECT min(${column}) AS least, max(${column}) AS greatest FROM ${table} GROUP BY ${GROUP_COLUMN} ORDER BY ${GROUP_COLUMN}`,
    [],
    { signal },
  );
  return new RowGroups(clustered, ends, groupRows);
}

/**
 * Writes rows to a database file of their own, in the order in which they come, by an engine of one thread: questions keep the others.
 * The file is complete when this resolves; when it fails nothing is left. Errors: `query/copy-too-big`, `query/copy-differs`, those of the engine.
 */
export async function writeCopy(request: CopyRequest): Promise<WrittenCopy> {
  const { file, mostBytes, memoryLimitBytes } = request;
  const spill = `${file}.spill`;
  const database = await Database.open({
    threads: 1,
    memoryLimitBytes,
    tempDirectory: spill,
    preserveInsertionOrder: true,
  });
  const tooBig = new AbortController();
  const ended = new AbortController();
  const signal = AbortSignal.any([request.signal, tooBig.signal]);
  const watching = watchSize(file, mostBytes, tooBig, ended.signal);
  let whole = false;
  try {
    const groups = await database.with(async (connection) => {
      await connection.run(`ATTACH ${quoteLiteral(file)} AS made (STORAGE_VERSION 'latest')`);
      await chmod(file, 0o600);
      const copied = await copyRows(connection, request, signal);
      await connection.run("CHECKPOINT made");
      await connection.run("DETACH made");
      return copied;
    });
    const sizeBytes = await sizeOf(file);
    if (sizeBytes > mostBytes) throw outgrown(mostBytes);
    whole = true;
    return { sizeBytes, groups };
  } catch (error) {
    throw tooBig.signal.aborted && !request.signal.aborted ? outgrown(mostBytes) : error;
  } finally {
    ended.abort();
    await watching;
    database.close();
    await rm(spill, { recursive: true, force: true });
    if (!whole) await removeCopy(file);
  }
}
