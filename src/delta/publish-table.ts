import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Lake } from "#lake";
import { type Action, type AddFile, type MetaData, PROTOCOL, type RemoveFile } from "./action.js";
import { DataWriter, type WrittenFile } from "./data-writer.js";
import { CHECKPOINT_INTERVAL, DeltaLog } from "./delta-log.js";
import { type DeltaField, schemaString } from "./delta-type.js";
import { foreignTable, tooMuchContention } from "./errors.js";
import { type LiveRows, liveRows, type SourceFile, SourcePaths } from "./source-file.js";
import { evolve, type TableState } from "./table-state.js";
import { decodeTags, type SourceTags } from "./tags.js";
import type { PublishTarget } from "./target.js";

/** One table of a snapshot, ready to be published. */
export interface TableRequest {
  /** `resources/<Type>` or `views/<name>`. */
  readonly name: string;
  readonly description: string | undefined;
  readonly snapshot: number;
  readonly columns: readonly DeltaField[];
  readonly sources: readonly SourceFile[];
  /** False when the rows are those of the version given: files were only rewritten. */
  readonly sameRowsAs: number | undefined;
}

/** What all tables of one publication share. */
export interface PublishContext {
  readonly lake: Lake;
  readonly target: PublishTarget;
  /** Identity of the lake; part of every table's transaction id. */
  readonly lakeId: string;
  readonly tool: string;
  readonly retentionMs: number;
}

/** What publishing did to one table. */
export interface TableOutcome {
  readonly outcome: "created" | "updated" | "unchanged";
  /** The snapshot whose rows the table holds; greater than asked for when another publisher was ahead. */
  readonly snapshot: number;
  /** The Delta version that holds the snapshot's rows. */
  readonly version: number;
  readonly rows: number;
  readonly filesAdded: number;
  /** Of those added, how many are the lake's own files under a second name. */
  readonly filesLinked: number;
  readonly filesRemoved: number;
  readonly bytesWritten: number;
}

const MOST_ATTEMPTS = 100;

/** Actions that bring a table from one state to the snapshot's rows. */
interface Change {
  readonly added: readonly WrittenFile[];
  readonly removed: readonly AddFile[];
  readonly schemaChanged: boolean;
  readonly rows: number;
}

class TablePublisher {
  private readonly context: PublishContext;
  private readonly request: TableRequest;
  private readonly paths: SourcePaths;
  private readonly writer: DataWriter;
  private readonly log: DeltaLog;
  private readonly appId: string;
  private readonly live = new Map<string, LiveRows>();

  constructor(context: PublishContext, request: TableRequest, paths: SourcePaths, staging: string) {
    const { lake, target } = context;
    this.context = context;
    this.request = request;
    this.paths = paths;
    this.appId = `${context.lakeId}/${request.name}`;
    this.log = new DeltaLog(lake.database, target, request.name);
    this.writer = new DataWriter({
      database: lake.database,
      clock: lake.clock,
      target,
      table: request.name,
      paths,
      staging,
    });
  }

  async publish(): Promise<TableOutcome> {
    const used = new Set<string>();
    let keepAll = false;
    try {
      let state = await this.log.read();
      for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
        const published = this.publishedSnapshot(state);
        // The same snapshot again comes to no difference, unless other columns are wanted now.
        if (published !== undefined && published > this.request.snapshot) {
          return this.unchanged(state, published);
        }
        const change = await this.change(state);
        if (this.isNothing(state, change)) return this.unchanged(state, this.request.snapshot);
        await this.writer.makeDurable(change.added);
        const actions = this.actions(state, change);
        keepAll = true;
        const won = await this.log.append(state.version + 1, actions);
        keepAll = false;
        if (won) {
          for (const file of change.added) used.add(file.key);
          const after = evolve(state, state.version + 1, actions);
          await this.checkpointWhenDue(after);
          return this.outcome(state, change, after.version);
        }
        state = await this.log.catchUp(state);
      }
      throw tooMuchContention(this.request.name, MOST_ATTEMPTS);
    } finally {
      // After an unclear outcome the files may be in a version; cleaning up finds out later.
      if (!keepAll) await this.writer.removeAllBut(used);
    }
  }

  /** The snapshot that this lake last put into the table. Errors: `delta/foreign-table`. */
  private publishedSnapshot(state: TableState): number | undefined {
    const txn = state.transactions.get(this.appId);
    if (txn === undefined && state.version >= 0) {
      throw foreignTable(this.request.name, this.context.target.store.location);
    }
    return txn?.version;
  }

  private isNothing(state: TableState, change: Change): boolean {
    return (
      state.version >= 0 && change.added.length === 0 && change.removed.length === 0 && !change.schemaChanged
    );
  }

  private async change(state: TableState): Promise<Change> {
    const standing = new Map<string, { add: AddFile; tags: SourceTags }>();
    for (const add of state.files.values()) {
      const tags = decodeTags(add);
      if (tags !== undefined) standing.set(tags.source, { add, tags });
    }
    const schemaChanged = state.metaData?.schemaString !== schemaString(this.request.columns);
    await this.count(standing);
    const kept = new Set<string>();
    const added: WrittenFile[] = [];
    let rows = 0;
    for (const source of this.request.sources) {
      const live = this.live.get(source.file.key)!;
      if (live.rows === 0) continue;
      rows += live.rows;
      const before = standing.get(source.file.key);
      if (before !== undefined && (await this.serves(source, live, before.tags, schemaChanged))) {
        kept.add(before.add.path);
      } else added.push(await this.writer.file(source, live, this.request.columns));
    }
    const removed = [...state.files.values()].filter((add) => !kept.has(add.path));
    return { added, removed, schemaChanged, rows };
  }

  /** Finds out which rows count, of those files for which the log does not already say it. */
  private async count(standing: ReadonlyMap<string, { readonly tags: SourceTags }>): Promise<void> {
    const unknown = this.request.sources.filter((source) => {
      if (this.live.has(source.file.key)) return false;
      const tags = standing.get(source.file.key)?.tags;
      if (tags?.hiddenById !== source.hiddenById) return true;
      this.live.set(source.file.key, tags.live);
      return false;
    });
    if (unknown.length === 0) return;
    const found = await this.context.lake.database.with((connection) =>
      liveRows(connection, this.paths, unknown),
    );
    for (const [key, live] of found) this.live.set(key, live);
  }

  private async serves(
    source: SourceFile,
    live: LiveRows,
    tags: SourceTags,
    schemaChanged: boolean,
  ): Promise<boolean> {
    if (tags.live.rows !== live.rows || tags.live.checksum !== live.checksum) return false;
    // A column that the file never had is NULL for every reader; a changed one must be written anew.
    return (
      !schemaChanged || tags.columns === (await this.writer.columnsIdOf(source.file, this.request.columns))
    );
  }

  private metaData(state: TableState): MetaData {
    const days = Math.max(1, Math.round(this.context.retentionMs / 86_400_000));
    return {
      id: state.metaData?.id ?? randomUUID(),
      name: this.request.name,
      ...(this.request.description === undefined ? {} : { description: this.request.description }),
      format: { provider: "parquet", options: {} },
      schemaString: schemaString(this.request.columns),
      partitionColumns: [],
      configuration: {
        "delta.checkpointInterval": String(CHECKPOINT_INTERVAL),
        "delta.deletedFileRetentionDuration": `interval ${days} days`,
        "delta.logRetentionDuration": `interval ${days} days`,
      },
      createdTime: state.metaData?.createdTime ?? this.context.lake.clock.now().getTime(),
    };
  }

  private actions(state: TableState, change: Change): Action[] {
    const now = this.context.lake.clock.now().getTime();
    const dataChange = this.request.sameRowsAs === undefined || this.request.sameRowsAs !== state.version;
    const isNew = state.version < 0;
    const remove = (add: AddFile): RemoveFile => ({
      path: add.path,
      deletionTimestamp: now,
      dataChange,
      extendedFileMetadata: true,
      partitionValues: {},
      size: add.size,
    });
    const commitInfo = {
      timestamp: now,
      operation: isNew ? "CREATE TABLE AS SELECT" : dataChange ? "WRITE" : "OPTIMIZE",
      operationParameters: { snapshot: String(this.request.snapshot) },
      engineInfo: this.context.tool,
      isBlindAppend: !isNew && change.removed.length === 0 && !change.schemaChanged,
      txnId: randomUUID(),
    };
    return [
      { commitInfo },
      ...(isNew ? [{ protocol: PROTOCOL }] : []),
      ...(change.schemaChanged ? [{ metaData: this.metaData(state) }] : []),
      { txn: { appId: this.appId, version: this.request.snapshot, lastUpdated: now } },
      ...change.removed.map((add) => ({ remove: remove(add) })),
      ...change.added.map((file) => ({ add: { ...file.add, dataChange } })),
    ];
  }

  private async checkpointWhenDue(state: TableState): Promise<void> {
    if (state.version - Math.max(0, state.checkpointVersion) < CHECKPOINT_INTERVAL) return;
    const cutoffMs = this.context.lake.clock.now().getTime() - this.context.retentionMs;
    await this.log.checkpoint(state, cutoffMs);
  }

  private unchanged(state: TableState, snapshot: number): TableOutcome {
    const rows = [...state.files.values()].reduce((sum, add) => sum + (decodeTags(add)?.live.rows ?? 0), 0);
    return {
      outcome: "unchanged",
      snapshot,
      version: state.version,
      rows,
      filesAdded: 0,
      filesLinked: 0,
      filesRemoved: 0,
      bytesWritten: 0,
    };
  }

  private outcome(before: TableState, change: Change, version: number): TableOutcome {
    return {
      outcome: before.version < 0 ? "created" : "updated",
      snapshot: this.request.snapshot,
      version,
      rows: change.rows,
      filesAdded: change.added.length,
      filesLinked: change.added.filter((file) => file.linked).length,
      filesRemoved: change.removed.length,
      bytesWritten: change.added.reduce((sum, file) => sum + (file.linked ? 0 : file.add.size), 0),
    };
  }
}

/**
 * Brings one published table to a snapshot's rows with at most one new Delta version; publishing the same snapshot again, or an older one,
 * changes nothing. Safe against other publishers at work and against being killed at any moment: a version either exists with all its files
 * or not at all. Errors: `delta/foreign-table`, `delta/too-much-contention`, `delta/outcome-unknown`, `delta/damaged-source`.
 */
export async function publishTable(context: PublishContext, request: TableRequest): Promise<TableOutcome> {
  const hold = context.lake.store.hold();
  const staging = await context.target.store.stagingDirectory("publish");
  try {
    return await new TablePublisher(context, request, new SourcePaths(hold), staging).publish();
  } finally {
    await rm(staging, { recursive: true, force: true }).catch(() => undefined);
    await hold.release();
  }
}
