import { type Lake, type Snapshot, viewRows } from "#lake";
import type { LakeCatalog, SnapshotReader, SnapshotSummary, SnapshotView } from "./catalog.js";
import { noLiveChanges } from "./errors.js";

/** Snapshots whose relations are kept ready. */
const READY_SNAPSHOTS = 8;

/** A snapshot's views, with the local copies of the files that were asked for so far. */
class OpenSnapshot {
  private readonly snapshot: Snapshot;
  private readonly views: ReadonlyMap<string, SnapshotView>;
  private readonly giveBack: () => Promise<void>;
  private readers = 0;
  private kept = true;

  constructor(lake: Lake, snapshot: Snapshot) {
    const hold = lake.store.hold();
    this.snapshot = snapshot;
    this.giveBack = () => hold.release();
    const views = new Map<string, SnapshotView>();
    for (const [name, view] of Object.entries(snapshot.views).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const description = view.description ?? view.title;
      let relation: Promise<string> | undefined;
      const relate = (): Promise<string> => {
        const made = lake.readingInto(hold, () => viewRows(lake, view));
        made.catch(() => {
          relation = undefined;
        });
        return made;
      };
      views.set(name, {
        name,
        hash: view.hash,
        columns: view.columns,
        relation: () => (relation ??= relate()),
        state: view.state,
        ...(view.failure === undefined ? {} : { failure: view.failure }),
        rowCount: view.rowCount,
        resource: view.resource,
        ...(description === undefined ? {} : { description }),
      });
    }
    this.views = views;
  }

  read(): SnapshotReader {
    this.readers++;
    let open = true;
    const { id, committedAt, sources } = this.snapshot;
    const unverified = Object.values(sources).some((source) => source.deletesVerified === false);
    return {
      id,
      committedAt,
      sources,
      ...(unverified ? { deletesVerified: false } : {}),
      views: this.views,
      release: () => {
        if (!open) return;
        open = false;
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
    if (!this.kept && this.readers === 0) this.giveBack().catch(() => undefined);
  }
}

/**
 * The snapshots of a lake for the query layer. Files of a snapshot are immutable and `vacuum` spares young ones, so a reader needs no
 * lock; `release` lets a remote lake's local copies make room for others.
 */
export function lakeCatalog(lake: Lake): LakeCatalog {
  const ready = new Map<number, OpenSnapshot>();

  const reader = (snapshot: Snapshot): SnapshotReader => {
    const open = ready.get(snapshot.id) ?? new OpenSnapshot(lake, snapshot);
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
    latest: async ({ minEpoch } = {}) => {
      if (minEpoch !== undefined) throw noLiveChanges();
      const head = await lake.history.latest();
      return head === undefined ? undefined : reader(head);
    },
    at: async (id) => reader(await lake.history.at(id)),
    snapshots: async () => {
      const ids = (await lake.history.ids()).reverse();
      const summary = async (id: number): Promise<SnapshotSummary> => {
        const { committedAt } = await lake.history.at(id);
        return { id, committedAt };
      };
      return Promise.all(ids.map(summary));
    },
  };
}
