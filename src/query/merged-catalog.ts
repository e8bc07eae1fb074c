import type { Hold, LiveLake } from "#speed";
import type { LakeCatalog, SnapshotReader, SnapshotView } from "./catalog.js";

/** The view at a held point: batch rows of resources that did not change since, and the rows of those that did. */
function merged(view: SnapshotView, live: LiveLake, hold: Hold): SnapshotView {
  const { hash, resource } = view;
  if (hash === undefined) return view;
  return {
    ...view,
    relation: async () => {
      const batch = await view.relation();
      const overlay = live.overlay({ hash, resource }, hold);
      if (overlay === undefined) return batch;
      const kept = `SELECT * FROM ${batch} ANTI JOIN (${overlay.keys}) USING (_lake_key)`;
      return `(${kept} UNION ALL ${overlay.rows})`;
    },
  };
}

/**
 * Snapshots with the changes since: `latest` reads at the newest point (snapshot, epoch) of the speed layer, which stays the same for
 * every view until the reader is released. A snapshot asked for by number is read as it was committed.
 */
export function mergedCatalog(batch: LakeCatalog, live: LiveLake): LakeCatalog {
  return {
    at: (id) => batch.at(id),
    snapshots: () => batch.snapshots(),
    latest: async () => {
      const hold = live.hold();
      let reader: SnapshotReader | undefined;
      try {
        reader = hold.snapshot === 0 ? undefined : await batch.at(hold.snapshot);
      } finally {
        if (reader === undefined) hold.release();
      }
      if (reader === undefined) return undefined;
      const open = reader;
      const views = new Map([...open.views].map(([name, view]) => [name, merged(view, live, hold)]));
      return {
        id: open.id,
        committedAt: open.committedAt,
        epoch: hold.position,
        views,
        release: () => {
          hold.release();
          open.release();
        },
      };
    },
  };
}
