import type { Lake, Snapshot, ViewState } from "#lake";
import type { LakeCatalog, SnapshotReader, SnapshotSummary, SnapshotView } from "./catalog.js";
import { noLiveChanges } from "./errors.js";
import type { HotCopies } from "./hot/hot-copies.js";
import { OpenView, type RowsText } from "./open-view.js";

/** Snapshots whose relations are kept ready. */
const READY_SNAPSHOTS = 8;

/** A snapshot that was read lately, with the views that were asked for. */
class OpenSnapshot {
  private readonly lake: Lake;
  private readonly snapshot: Snapshot;
  private readonly hot: HotCopies | undefined;
  private readonly views: ReadonlyMap<string, readonly [ViewState, OpenView]>;
  private readers = 0;
  private kept = true;

  constructor(lake: Lake, snapshot: Snapshot, hot: HotCopies | undefined) {
    this.lake = lake;
    this.snapshot = snapshot;
    this.hot = hot;
    const sorted = Object.entries(snapshot.views).sort(([a], [b]) => (a < b ? -1 : 1));
    this.views = new Map(sorted.map(([name, view]) => [name, [view, new OpenView(lake, view)]]));
  }

  read(): SnapshotReader {
    this.readers++;
    const used = new Set<OpenView>();
    let reading = true;
    const { lake } = this;
    const lease = this.hot?.lease(lake);
    const { id, committedAt, sources } = this.snapshot;
    const unverified = Object.values(sources).some((source) => source.deletesVerified === false);
    const rows = (view: OpenView): Promise<RowsText> => {
      const entered = view.enter();
      // A reader counts once for each view; one that was released already has no claim beyond the idle time.
      if (!reading || used.has(view)) view.leave();
      else used.add(view);
      return entered;
    };
    return {
      id,
      committedAt,
      sources,
      ...(unverified ? { deletesVerified: false } : {}),
      views: new Map(
        [...this.views].map(([name, [view, open]]) => [
          name,
          describe(lake, name, view, {
            relation: async (range) => {
              const text = await rows(open);
              return text(lease?.take(view, range));
            },
            reach: (from, count) => lease?.reach(view, from, count),
            // Another engine does not have the copies of this one.
            ...(lease === undefined ? {} : { sealed: async () => (await rows(open))() }),
          }),
        ]),
      ),
      release: () => {
        if (!reading) return;
        reading = false;
        lease?.release();
        for (const view of used) view.leave();
        this.readers--;
        this.closeWhenUnused();
      },
    };
  }

  /** No new readers will come; the files go with the last one. */
  retire(): void {
    this.kept = false;
    this.closeWhenUnused();
  }

  private closeWhenUnused(): void {
    if (!this.kept && this.readers === 0) for (const [, view] of this.views.values()) view.close();
  }
}

/** The ViewDefinition that a view was built from. */
async function definitionOf(lake: Lake, view: ViewState): Promise<Record<string, unknown>> {
  return JSON.parse(Buffer.from(await lake.store.get(view.definition)).toString("utf8")) as Record<
    string,
    unknown
  >;
}

function describe(
  lake: Lake,
  name: string,
  view: ViewState,
  rows: Pick<SnapshotView, "relation" | "reach" | "sealed">,
): SnapshotView {
  const description = view.description ?? view.title;
  return {
    name,
    hash: view.hash,
    columns: view.columns,
    ...rows,
    definition: async () => await definitionOf(lake, view),
    state: view.state,
    ...(view.failure === undefined ? {} : { failure: view.failure }),
    rowCount: view.rowCount,
    resource: view.resource,
    ...(description === undefined ? {} : { description }),
  };
}

/** A catalog that keeps snapshots that were read lately at hand. */
export interface ReadyCatalog extends LakeCatalog {
  /** Lets go of everything kept at hand, as soon as its last reader has: files may be gone for good. */
  forget(): void;
}

/**
 * The snapshots of a lake for the query layer. Files of a snapshot are immutable and `vacuum` spares young ones, so a reader needs no
 * lock; `release` lets a remote lake's local copies make room for others. With hot copies relations may name them, so that they can be read by
 * the engine of these alone.
 */
export function lakeCatalog(lake: Lake, hot?: HotCopies): ReadyCatalog {
  const ready = new Map<number, OpenSnapshot>();
  /** A snapshot never changes, and a list of many must not read them all each time. */
  const summaries = new Map<number, SnapshotSummary>();

  const reader = (snapshot: Snapshot): SnapshotReader => {
    const open = ready.get(snapshot.id) ?? new OpenSnapshot(lake, snapshot, hot);
    // The one read last is the last to go.
    ready.delete(snapshot.id);
    ready.set(snapshot.id, open);
    const read = open.read();
    for (const id of [...ready.keys()].slice(0, Math.max(0, ready.size - READY_SNAPSHOTS))) {
      ready.get(id)!.retire();
      ready.delete(id);
    }
    return read;
  };

  return {
    forget: () => {
      for (const snapshot of ready.values()) snapshot.retire();
      ready.clear();
    },
    latest: async ({ minEpoch } = {}) => {
      if (minEpoch !== undefined) throw noLiveChanges();
      const head = await lake.history.latest();
      return head === undefined ? undefined : reader(head);
    },
    at: async (id) => reader(await lake.history.at(id)),
    snapshots: async () => {
      const ids = (await lake.history.ids()).reverse();
      const summary = async (id: number): Promise<SnapshotSummary> => {
        const known = summaries.get(id) ?? { id, committedAt: (await lake.history.at(id)).committedAt };
        summaries.set(id, known);
        return known;
      };
      return Promise.all(ids.map(summary));
    },
  };
}
