import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Database, quoteLiteral, writeParquet } from "#duckdb";
import { isLakeError } from "#kernel";
import type { Hold, LiveLake } from "#speed";
import type { LakeCatalog, LiveKnowledge, SnapshotReader, SnapshotView } from "./catalog.js";
import { epochNotReached } from "./errors.js";

/** What merged reads are made of. */
export interface MergedCatalogOptions {
  readonly batch: LakeCatalog;
  readonly live: LiveLake;
  /** The engine in which the live rows stand. */
  readonly database: Database;
}

function withOverlay(batch: string, overlay: { readonly keys: string; readonly rows: string }): string {
  return `(SELECT * FROM ${batch} ANTI JOIN (${overlay.keys}) USING (_lake_key) UNION ALL ${overlay.rows})`;
}

/** The view at a held point: batch rows of resources that did not change since, and the rows of those that did. */
function merged(view: SnapshotView, { live, database }: MergedCatalogOptions, hold: Hold): SnapshotView {
  const { hash, resource, name } = view;
  if (hash === undefined) return view;
  const changedAt = live.lastChange(resource, hold);
  const overlay = (): ReturnType<LiveLake["overlay"]> => live.overlay({ hash, resource }, hold);
  return {
    ...view,
    ...(changedAt === undefined ? {} : { changedAt, stored: (range) => view.relation(range) }),
    relation: async (range) => {
      const batch = await view.relation(range);
      const current = await overlay();
      return current === undefined ? batch : withOverlay(batch, current);
    },
    sealed: async (folder, options = {}) => {
      const batch = await (view.sealed?.(folder, options) ?? view.relation());
      const current = await overlay();
      if (current === undefined) return batch;
      const write = async (part: string, select: string): Promise<string> => {
        const file = path.join(folder, `${name}.${part}.parquet`);
        await database.with((connection) => writeParquet(connection, { ...options, select, path: file }));
        return `SELECT * FROM read_parquet(${quoteLiteral(file)})`;
      };
      const keys = await write("keys", current.keys);
      return withOverlay(batch, { keys, rows: await write("rows", current.rows) });
    },
  };
}

/** How long a read waits for the epoch it asks for. */
const EPOCH_WAIT_MS = 10_000;

async function reached(live: LiveLake, epoch: number): Promise<void> {
  const timeout = new AbortController();
  const late = sleep(EPOCH_WAIT_MS, undefined, { signal: timeout.signal }).then(() => {
    throw epochNotReached(epoch, live.state().position);
  });
  try {
    await Promise.race([live.reached(epoch), late]);
  } finally {
    timeout.abort();
    late.catch(() => undefined);
  }
}

/** What the speed layer knows now of changes that an answer lacks. */
function knowledge(live: LiveLake, consistency: "merged" | "batch"): LiveKnowledge {
  const { currentAt, oldestLiveAt, degraded } = live.state();
  const missing = consistency === "batch" ? oldestLiveAt : undefined;
  return { currentAt: Math.min(currentAt, missing ?? currentAt), degraded };
}

/** The newest point with its snapshot; undefined while there is none. */
async function openPoint(
  batch: LakeCatalog,
  live: LiveLake,
): Promise<
  { readonly hold: Hold; readonly known: LiveKnowledge; readonly reader: SnapshotReader } | undefined
> {
  for (let again = false; ; again = true) {
    const hold = live.hold();
    const known = knowledge(live, "merged");
    try {
      if (hold.snapshot > 0) return { hold, known, reader: await batch.at(hold.snapshot) };
      hold.release();
      return undefined;
    } catch (error) {
      hold.release();
      // An erasure takes the snapshot away as soon as it has made the next one, which was not looked for yet.
      if (again || !isLakeError(error, "lake/snapshot-gone")) throw error;
      await live.refresh();
    }
  }
}

/** The state at a point that is held, which the reader takes over. */
export async function mergedReader(options: MergedCatalogOptions, hold: Hold): Promise<SnapshotReader> {
  const known = knowledge(options.live, "merged");
  try {
    return overlaid(options, hold, await options.batch.at(hold.snapshot), known);
  } catch (error) {
    hold.release();
    throw error;
  }
}

function overlaid(
  options: MergedCatalogOptions,
  hold: Hold,
  open: SnapshotReader,
  known: LiveKnowledge,
): SnapshotReader {
  const views = new Map([...open.views].map(([name, view]) => [name, merged(view, options, hold)]));
  return {
    ...open,
    epoch: hold.position,
    live: known,
    views,
    release: () => {
      hold.release();
      open.release();
    },
  };
}

/**
 * Snapshots with the changes since: `latest` reads at the newest point (snapshot, epoch) of the speed layer, which stays the same for
 * every view until the reader is released. A snapshot asked for by number is read as it was committed.
 */
export function mergedCatalog(options: MergedCatalogOptions): LakeCatalog {
  const { batch, live } = options;
  return {
    at: (id) => batch.at(id),
    snapshots: () => batch.snapshots(),
    latest: async ({ consistency = "merged", minEpoch } = {}) => {
      if (consistency === "batch") {
        const alone = await batch.latest(minEpoch === undefined ? {} : { minEpoch });
        return alone === undefined ? undefined : { ...alone, live: knowledge(live, "batch") };
      }
      if (minEpoch !== undefined) await reached(live, minEpoch);
      const held = await openPoint(batch, live);
      return held === undefined ? undefined : overlaid(options, held.hold, held.reader, held.known);
    },
  };
}
