import type { LakeCatalog, SnapshotReader, SnapshotView } from "./catalog.js";
import { cursorGone } from "./errors.js";
import type { KeptStates } from "./kept-states.js";

/** The state in which a page of a view was read: what the next one must be read in too. */
export interface ResumePoint {
  readonly view: string;
  readonly snapshot: number;
  readonly epoch?: number;
  /** Of the view then; see {@link SnapshotView}. */
  readonly hash?: string;
  readonly changedAt?: number;
  readonly revision?: string;
  /** Digest of the policy that the page was read under. */
  readonly policy?: string;
}

/** The point of a view in a state. */
export function resumePoint(
  state: { readonly id: number; readonly epoch?: number; readonly policy?: string },
  view: SnapshotView,
): ResumePoint {
  const { name, hash, changedAt, revision } = view;
  return {
    view: name,
    snapshot: state.id,
    ...(state.epoch === undefined ? {} : { epoch: state.epoch }),
    ...(hash === undefined ? {} : { hash }),
    ...(changedAt === undefined ? {} : { changedAt }),
    ...(revision === undefined ? {} : { revision }),
    ...(state.policy === undefined ? {} : { policy: state.policy }),
  };
}

function isSame(reader: SnapshotReader, point: ResumePoint): boolean {
  const view = reader.views.get(point.view);
  return (
    reader.id === point.snapshot &&
    reader.policy === point.policy &&
    view !== undefined &&
    view.hash === point.hash &&
    view.changedAt === point.changedAt &&
    view.revision === point.revision
  );
}

/**
 * A reader in whose state the view holds what it held at the point: the kept state, the newest one while nothing that the view reads has
 * changed, or the snapshot alone when there were no changes since it. Fails with `query/cursor-gone`, and as `at` does when the
 * snapshot is gone.
 */
export async function resumeAt(
  catalog: LakeCatalog,
  kept: KeptStates,
  point: ResumePoint,
): Promise<SnapshotReader> {
  // Whoever may see other things than whoever read the page before cannot go on where they ended.
  if (point.policy !== catalog.policy?.()) throw cursorGone();
  const ways: (() => Promise<SnapshotReader | undefined>)[] = [
    async () => await Promise.resolve(kept.open(point.snapshot, point.epoch, point.policy)),
    async () => await catalog.latest(),
    ...(point.changedAt === undefined ? [async () => await catalog.at(point.snapshot)] : []),
  ];
  for (const open of ways) {
    const reader = await open();
    if (reader === undefined) continue;
    if (isSame(reader, point)) return { ...reader, pinned: true };
    reader.release();
  }
  throw cursorGone();
}
