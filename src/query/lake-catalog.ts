import { type Lake, type Snapshot, viewRows } from "#lake";
import type { LakeCatalog, SnapshotReader, SnapshotSummary, SnapshotView } from "./catalog.js";

/** Snapshots whose relations are kept ready. */
const READY_SNAPSHOTS = 8;

async function viewsOf(lake: Lake, snapshot: Snapshot): Promise<Map<string, SnapshotView>> {
  const views = new Map<string, SnapshotView>();
  for (const [name, view] of Object.entries(snapshot.views).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const description = view.description ?? view.title;
    views.set(name, {
      name,
      columns: view.columns,
      relation: await viewRows(lake, view),
      state: view.state,
      ...(view.failure === undefined ? {} : { failure: view.failure }),
      rowCount: view.rowCount,
      resource: view.resource,
      ...(description === undefined ? {} : { description }),
    });
  }
  return views;
}

/**
 * The snapshots of a lake for the query layer. Files of a snapshot are immutable and `vacuum` spares young ones, so a reader needs no
 * lock; `release` only gives back memory.
 */
export function lakeCatalog(lake: Lake): LakeCatalog {
  const ready = new Map<number, Promise<SnapshotReader>>();

  const reader = (snapshot: Snapshot): Promise<SnapshotReader> => {
    const known = ready.get(snapshot.id);
    if (known !== undefined) return known;
    const made = viewsOf(lake, snapshot).then((views) => ({
      id: snapshot.id,
      committedAt: snapshot.committedAt,
      views,
      release: () => {},
    }));
    ready.set(snapshot.id, made);
    made.catch(() => ready.delete(snapshot.id));
    for (const id of [...ready.keys()].slice(0, Math.max(0, ready.size - READY_SNAPSHOTS))) ready.delete(id);
    return made;
  };

  return {
    latest: async () => {
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
