import { systemClock } from "#kernel";
import type { Lake } from "#lake";
import { publishedAtMs } from "./data-writer.js";
import { DeltaLog, parseLogKey } from "./delta-log.js";
import { asPublisher } from "./publisher-lease.js";
import type { TableState } from "./table-state.js";
import { type PublishTarget, tableKey } from "./target.js";

/** What to keep in published tables. */
export interface CleanOptions {
  /** Files that left a table, files of publishers that died, and log entries stay this long. 0 only when nobody reads or publishes. */
  readonly retentionMs: number;
  /** Default: all that have a folder. */
  readonly tables?: readonly string[];
  readonly dryRun?: boolean;
}

/** What was (or would be) removed from published tables. */
export interface CleanReport {
  readonly tables: number;
  readonly filesRemoved: number;
  readonly bytesRemoved: number;
  readonly logFilesRemoved: number;
}

/** A publication under way is waited for, because it could bring back what is to be removed. */
const WAIT_MS = 10 * 60_000;

interface Listed {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** Everything below the target, or below some tables, by table name; what does not belong to a table is left out. */
async function listTables(target: PublishTarget, names?: readonly string[]): Promise<Map<string, Listed[]>> {
  const tables = new Map<string, Listed[]>();
  for (const folder of names?.map((name) => `${name}/`) ?? ["resources/", "views/"]) {
    for await (const entry of target.store.list(`${target.prefix}${folder}`)) {
      const table = entry.key.slice(target.prefix.length).split("/").slice(0, 2).join("/");
      const known = tables.get(table);
      if (known === undefined) tables.set(table, [entry]);
      else known.push(entry);
    }
  }
  return tables;
}

/** Names of all tables that have a folder at the target. */
export async function publishedTableNames(target: PublishTarget): Promise<string[]> {
  return [...(await listTables(target)).keys()].sort();
}

/** Data files that no version within the retention names. */
function expiredData(
  target: PublishTarget,
  table: string,
  entries: readonly Listed[],
  state: TableState,
  cutoffMs: number,
): Listed[] {
  const folder = tableKey(target, table, "");
  return entries.filter(({ key }) => {
    const madeAtMs = publishedAtMs(key);
    const path = key.slice(folder.length);
    if (madeAtMs === undefined || path.includes("/") || state.files.has(path)) return false;
    return (state.removed.get(path)?.deletionTimestamp ?? madeAtMs) <= cutoffMs;
  });
}

/** Log files before the newest checkpoint that is itself older than the retention: no readable version needs them. */
function expiredLog(entries: readonly Listed[], cutoffMs: number): Listed[] {
  const logs = entries.flatMap((entry) => {
    const log = parseLogKey(entry.key);
    return log === undefined ? [] : [{ ...log, entry }];
  });
  const old = new Set(
    logs.filter((log) => log.kind === "json" && log.entry.modifiedAtMs <= cutoffMs).map((log) => log.version),
  );
  const base = Math.max(
    -1,
    ...logs.filter((log) => log.kind === "checkpoint" && old.has(log.version)).map((log) => log.version),
  );
  return logs
    .filter((log) => log.version < base)
    .sort((a, b) => a.version - b.version)
    .map((log) => log.entry);
}

/**
 * Removes data files that left their table longer ago than the retention, what publishers that died left behind, and log entries that a
 * later checkpoint of that age replaces. Readers of versions within the retention notice nothing.
 */
export async function cleanPublished(
  lake: Lake,
  target: PublishTarget,
  options: CleanOptions,
): Promise<CleanReport> {
  const cutoffMs = lake.clock.now().getTime() - options.retentionMs;
  // Listed before the logs are read: what a publisher commits in between is then in its log.
  const tables = await listTables(target, options.tables);
  let filesRemoved = 0;
  let bytesRemoved = 0;
  let logFilesRemoved = 0;
  for (const [table, entries] of tables) {
    const state = await new DeltaLog(lake.database, target, table).read();
    const data = expiredData(target, table, entries, state, cutoffMs);
    const log = expiredLog(entries, cutoffMs);
    filesRemoved += data.length;
    bytesRemoved += data.reduce((sum, entry) => sum + entry.sizeBytes, 0);
    logFilesRemoved += log.length;
    if (options.dryRun === true) continue;
    if (log.length > 0) await target.store.deleteMany(log.map((entry) => entry.key));
    if (data.length > 0) await target.store.deleteMany(data.map((entry) => entry.key));
  }
  return { tables: tables.size, filesRemoved, bytesRemoved, logFilesRemoved };
}

/**
 * Removes published tables (all unless some are named) completely, log and all, and gives their number, so that nothing of earlier versions remains: the way to take erased persons out of them,
 * as bounds in the log hold values too. The next publication makes the tables anew, from version 0. Running it again after an interruption
 * completes it. Errors: `runs/lease-held` when a publication has not ended after ten minutes.
 */
export async function dropPublished(target: PublishTarget, tables?: readonly string[]): Promise<number> {
  const lease = { store: target.store, clock: systemClock, purpose: "remove tables", waitMs: WAIT_MS };
  return asPublisher(lease, async () => {
    const names = tables ?? (await publishedTableNames(target));
    await removeTables(target, names);
    return names.length;
  });
}

async function removeTables(target: PublishTarget, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    const keys: string[] = [];
    for await (const { key } of target.store.list(tableKey(target, table, ""))) keys.push(key);
    const logs = keys.filter((key) => key.includes("/_delta_log/"));
    const versionOf = (key: string): number => parseLogKey(key)?.version ?? Number.POSITIVE_INFINITY;
    // The newest version first, so that what a reader still sees is a whole older one.
    for (const key of logs.sort((a, b) => versionOf(b) - versionOf(a))) await target.store.delete(key);
    const data = keys.filter((key) => !key.includes("/_delta_log/"));
    if (data.length > 0) await target.store.deleteMany(data);
  }
}
