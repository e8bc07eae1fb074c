import { rm } from "node:fs/promises";
import type { Database } from "#duckdb";
import { isLakeError, LakeError } from "#kernel";
import { type Action, decodeActions, encodeActions } from "./action.js";
import { checkpointActions, readCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { brokenLog } from "./errors.js";
import { evolve, NO_TABLE, type TableState } from "./table-state.js";
import { find, type PublishTarget, tableKey, versionName } from "./target.js";

/** Versions between two checkpoints. */
export const CHECKPOINT_INTERVAL = 10;

/** Object key of a version's log file. */
export function logKey(target: PublishTarget, table: string, version: number): string {
  return tableKey(target, table, `_delta_log/${versionName(version)}.json`);
}

/** Object key of a checkpoint. */
export function checkpointKey(target: PublishTarget, table: string, version: number): string {
  return tableKey(target, table, `_delta_log/${versionName(version)}.checkpoint.parquet`);
}

/** The version in a log file's or checkpoint's key, and which of the two it is; undefined for any other key. */
export function parseLogKey(
  key: string,
): { readonly version: number; readonly kind: "json" | "checkpoint" } | undefined {
  const match = /\/_delta_log\/(\d{20})\.(json|checkpoint\.parquet)$/.exec(key);
  if (match === null) return undefined;
  return { version: Number(match[1]), kind: match[2] === "json" ? "json" : "checkpoint" };
}

/**
 * The transaction log of one published table. A version is committed by creating its log file, which succeeds for one writer only:
 *
 *     read state at v  →  write data files  →  put-if-absent v+1  →  won: done
 *                                                   │
 *                                                   └─ lost: read again from v+1
 */
export class DeltaLog {
  private readonly database: Database;
  private readonly target: PublishTarget;
  private readonly table: string;

  constructor(database: Database, target: PublishTarget, table: string) {
    this.database = database;
    this.target = target;
    this.table = table;
  }

  /** The newest state, from the last checkpoint and the versions after it; `version` is -1 when there is no table. */
  async read(): Promise<TableState> {
    return this.catchUp((await this.fromHint()) ?? (await this.fromListing()) ?? NO_TABLE);
  }

  /** The state after all versions that followed `state`. */
  async catchUp(state: TableState): Promise<TableState> {
    let at = state;
    for (;;) {
      const bytes = await find(this.target.store, logKey(this.target, this.table, at.version + 1));
      if (bytes === undefined) return at;
      at = evolve(at, at.version + 1, decodeActions(bytes));
    }
  }

  private async fromHint(): Promise<TableState | undefined> {
    const bytes = await find(this.target.store, this.hintKey());
    if (bytes === undefined) return undefined;
    const { version } = JSON.parse(Buffer.from(bytes).toString("utf8")) as { version: number };
    return this.fromCheckpoint(version);
  }

  private hintKey(): string {
    return tableKey(this.target, this.table, "_delta_log/_last_checkpoint");
  }

  /** Without a usable hint: version 0 when it is still there, else the newest checkpoint that a listing shows. */
  private async fromListing(): Promise<TableState | undefined> {
    if ((await find(this.target.store, logKey(this.target, this.table, 0))) !== undefined) return undefined;
    let newest: number | undefined;
    let isEmpty = true;
    for await (const { key } of this.target.store.list(tableKey(this.target, this.table, "_delta_log/"))) {
      const log = parseLogKey(key);
      if (log !== undefined) isEmpty = false;
      if (log?.kind === "checkpoint" && log.version > (newest ?? -1)) newest = log.version;
    }
    if (newest !== undefined) return this.fromCheckpoint(newest);
    if (!isEmpty) throw brokenLog(this.table);
    return undefined;
  }

  private async fromCheckpoint(version: number): Promise<TableState | undefined> {
    const hold = this.target.store.hold();
    try {
      const file = await hold.localPath(checkpointKey(this.target, this.table, version));
      const actions = await this.database.with((connection) => readCheckpoint(connection, file));
      return { ...evolve(NO_TABLE, version, actions), checkpointVersion: version };
    } catch (error) {
      if (isLakeError(error, "storage/not-found")) return undefined;
      throw error;
    } finally {
      await hold.release();
    }
  }

  /**
   * Makes `actions` the given version. False when another publisher made that version first. After an error the outcome is read back:
   * our own `txnId` in place means that it was made after all. Errors: `delta/outcome-unknown`.
   */
  async append(version: number, actions: readonly Action[]): Promise<boolean> {
    const { store } = this.target;
    const key = logKey(this.target, this.table, version);
    const txnId = actions.find((action) => action.commitInfo)?.commitInfo?.txnId;
    const isOurs = (bytes: Uint8Array | undefined): boolean =>
      bytes !== undefined && decodeActions(bytes).some((action) => action.commitInfo?.txnId === txnId);
    try {
      if ((await store.putIfAbsent(key, encodeActions(actions))) === "created") return true;
    } catch (error) {
      const standing = await find(store, key).catch((cause: unknown) => {
        throw new LakeError(
          "unavailable",
          "delta/outcome-unknown",
          `It is not known whether version ${version} of '${this.table}' was published, because it could not be read back; publish again, nothing is published twice.`,
          { cause, retryable: true },
        );
      });
      if (isOurs(standing)) return true;
      throw error;
    }
    return isOurs(await find(store, key));
  }

  /** Writes a checkpoint of the state and points readers to it. Repeating it changes nothing. */
  async checkpoint(state: TableState, cutoffMs: number): Promise<void> {
    const { store } = this.target;
    const key = checkpointKey(this.target, this.table, state.version);
    const actions = checkpointActions(state, cutoffMs);
    const staging = await store.stagingDirectory("checkpoint");
    try {
      const file = await this.database.with((connection) => writeCheckpoint(connection, actions, staging));
      await store.publish(file, key);
      await store.makeDurable([key]);
    } finally {
      await rm(staging, { recursive: true, force: true }).catch(() => undefined);
    }
    // Between the two steps readers list the folder instead; the hint is never needed for correctness.
    await store.delete(this.hintKey());
    await store.putIfAbsent(
      this.hintKey(),
      Buffer.from(JSON.stringify({ version: state.version, size: actions.length })),
    );
  }
}
