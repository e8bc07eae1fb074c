import { LakeError, mapConcurrently } from "#kernel";
import { type Lake, lakeId, type Snapshot, toolVersion } from "#lake";
import type { ObjectStore } from "#storage";
import { cleanPublished } from "./clean.js";
import { CHECKPOINT_INTERVAL, logKey } from "./delta-log.js";
import { aheadOfLake } from "./errors.js";
import {
  latestPublication,
  type Publication,
  type PublishedTable,
  recordPublication,
} from "./publication.js";
import { type PublishContext, publishTable, type TableOutcome } from "./publish-table.js";
import { asPublisher } from "./publisher-lease.js";
import { type PublishableTable, publishableTable, selectTables } from "./table-request.js";
import { find, type PublishTarget } from "./target.js";

/** How long files that left a table, and old log entries, stay for readers of earlier versions. */
export const DEFAULT_RETENTION_MS = 7 * 86_400_000;

/** What to publish, and where. */
export interface PublishOptions {
  /** Table names, `resources`, `views`; default everything. */
  readonly tables?: readonly string[];
  /** Default: the folder `published/` of the lake. */
  readonly target?: PublishTarget;
  /** Publish the exact source text of resources too, as column `raw`. Default false. */
  readonly raw?: boolean;
  readonly retentionMs?: number;
  /** Called before each table. */
  readonly onProgress?: (table: string, done: number, total: number) => void;
  /** How long to wait for another publisher to finish; default 0. */
  readonly waitMs?: number;
  /** Aborting it stops before the next table; what is published stays. */
  readonly signal?: AbortSignal;
}

/** What one publication did. */
export interface PublishReport {
  /** The snapshot whose rows the tables now hold (or a later one, when another publisher was ahead). */
  readonly snapshot: number;
  readonly committedAt: string;
  readonly tables: readonly (TableOutcome & { readonly name: string; readonly wallMs: number })[];
}

/** Where a lake's tables are published unless another place is named. */
export function defaultTarget(store: ObjectStore): PublishTarget {
  return { store, prefix: "published/" };
}

/** True when the record shows the table as it would be published, and its version is still there. */
async function isCurrent(
  target: PublishTarget,
  table: PublishableTable,
  before: PublishedTable | undefined,
): Promise<boolean> {
  if (before === undefined || before.fingerprint !== table.fingerprint) return false;
  return (await find(target.store, logKey(target, table.name, before.version))) !== undefined;
}

function unchanged(before: PublishedTable, snapshot: number): TableOutcome {
  return {
    outcome: "unchanged",
    snapshot,
    version: before.version,
    rows: before.rows,
    filesAdded: 0,
    filesLinked: 0,
    filesRemoved: 0,
    bytesWritten: 0,
  };
}

const AT_ONCE = 2;

async function publishAll(
  context: PublishContext,
  snapshot: Snapshot,
  tables: readonly PublishableTable[],
  earlier: Publication | undefined,
  options: PublishOptions,
): Promise<{ readonly reports: PublishReport["tables"]; readonly record: Record<string, PublishedTable> }> {
  let begun = 0;
  const record: Record<string, PublishedTable> = {};
  const reports = await mapConcurrently(tables, AT_ONCE, async (table) => {
    if (options.signal?.aborted === true) {
      throw new LakeError("unavailable", "delta/interrupted", "Publishing was interrupted; run it again.");
    }
    options.onProgress?.(table.name, begun++, tables.length);
    const started = performance.now();
    const before = earlier?.tables[table.name];
    const outcome = (await isCurrent(context.target, table, before))
      ? unchanged(before!, snapshot.id)
      : await publishTable(context, {
          ...table,
          snapshot: snapshot.id,
          sameRowsAs: before?.revision === table.revision ? before.version : undefined,
        });
    // A table that another publisher brought further is that publisher's to record.
    if (outcome.snapshot > snapshot.id) {
      const { id } = await context.lake.head();
      if (id < outcome.snapshot) throw aheadOfLake(table.name, outcome.snapshot, id);
    } else {
      const { version, rows } = outcome;
      const { fingerprint, revision } = table;
      record[table.name] = { snapshot: snapshot.id, version, rows, fingerprint, revision };
    }
    return { name: table.name, ...outcome, wallMs: Math.round(performance.now() - started) };
  });
  return { reports, record };
}

/** Removes what is past its retention from tables that just got a checkpoint: now and then, without listing every table each time. */
async function cleanNowAndThen(context: PublishContext, tables: PublishReport["tables"]): Promise<void> {
  const due = tables.filter((t) => t.outcome === "updated" && t.version % CHECKPOINT_INTERVAL === 0);
  if (due.length === 0) return;
  await cleanPublished(context.lake, context.target, {
    retentionMs: context.retentionMs,
    tables: due.map((table) => table.name),
  });
}

/**
 * {@link publishDelta} without the lease that keeps publishers from doing the same work twice: tables stay whole and idempotent all the
 * same.
 */
export async function publishUnleased(lake: Lake, options: PublishOptions): Promise<PublishReport> {
  const target = options.target ?? defaultTarget(lake.store);
  const snapshot = await lake.head();
  const names = selectTables(snapshot, options.tables);
  const tables = names.map((name) => publishableTable(lake, snapshot, name, options.raw === true));
  const context: PublishContext = {
    lake,
    target,
    lakeId: await lakeId(lake.store),
    tool: toolVersion(),
    retentionMs: options.retentionMs ?? DEFAULT_RETENTION_MS,
  };
  const earlier = await latestPublication(target);
  const { reports, record } = await publishAll(context, snapshot, tables, earlier, options);
  const isNews = Object.entries(record).some(([name, table]) => {
    const before = earlier?.tables[name];
    return before?.snapshot !== table.snapshot || before.fingerprint !== table.fingerprint;
  });
  if (isNews) {
    await recordPublication(target, {
      committedAt: snapshot.committedAt,
      publishedAt: lake.clock.now().toISOString(),
      tables: record,
    });
  }
  await cleanNowAndThen(context, reports);
  return { snapshot: snapshot.id, committedAt: snapshot.committedAt, tables: reports };
}

/**
 * Publishes the newest snapshot's tables as Delta Lake tables, each with at most one new version, and records which versions belong
 * together. Publishing the same snapshot again changes nothing. Errors: those of {@link publishTable}, `delta/unknown-table`, `lake/empty`,
 * `delta/interrupted`, `delta/ahead-of-lake`, `runs/lease-held` while another publisher is at work at the same place.
 */
export async function publishDelta(lake: Lake, options: PublishOptions = {}): Promise<PublishReport> {
  const { store } = options.target ?? defaultTarget(lake.store);
  const lease = { store, clock: lake.clock, purpose: "publish", waitMs: options.waitMs ?? 0 };
  return asPublisher(lease, (lost) => {
    const signal = options.signal === undefined ? lost : AbortSignal.any([options.signal, lost]);
    return publishUnleased(lake, { ...options, signal });
  });
}
