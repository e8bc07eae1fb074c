import { LakeError } from "#kernel";
import { commit } from "../commit.js";
import type { Lake } from "../lake.js";
import type { Snapshot, SnapshotChange, SourceState, TableState, ViewState } from "../snapshot.js";
import { newLoss } from "../source-loss.js";

/** What a restore changes, by name, before it is done. */
export interface RestorePlan {
  readonly snapshot: number;
  readonly head: number;
  /** Resource types whose content changes, with the number of live resources now and restored. */
  readonly tables: Readonly<Record<string, { readonly now: number; readonly restored: number }>>;
  /** Views whose rows or definition change. */
  readonly views: readonly string[];
  /** Sources that will be read again from their watermark of that time. */
  readonly sources: readonly string[];
}

function sameFiles(
  a: { readonly layers: readonly unknown[] } | undefined,
  b: { readonly layers: readonly unknown[] } | undefined,
): boolean {
  return JSON.stringify(a?.layers) === JSON.stringify(b?.layers);
}

/** What {@link restoreSnapshot} would change. Errors: `lake/snapshot-gone`, `lake/no-such-snapshot`. */
export async function planRestore(lake: Lake, id: number): Promise<RestorePlan> {
  const then = await lake.history.at(id);
  const now = await lake.head();
  const types = new Set([...Object.keys(now.tables), ...Object.keys(then.tables)]);
  const tables: Record<string, { now: number; restored: number }> = {};
  for (const type of [...types].sort()) {
    if (sameFiles(now.tables[type], then.tables[type])) continue;
    tables[type] = {
      now: now.tables[type]?.resourceCount ?? 0,
      restored: then.tables[type]?.resourceCount ?? 0,
    };
  }
  const names = new Set([...Object.keys(now.views), ...Object.keys(then.views)]);
  const views = [...names].filter(
    (name) =>
      now.views[name]?.hash !== then.views[name]?.hash || !sameFiles(now.views[name], then.views[name]),
  );
  const sources = Object.keys(now.sources).filter(
    (name) => JSON.stringify(now.sources[name]) !== JSON.stringify(then.sources[name]),
  );
  return { snapshot: id, head: now.id, tables, views: views.sort(), sources: sources.sort() };
}

/** The old table under a revision nobody has seen, so that nothing derived from other content is taken for up to date. */
function renewed(type: string, then: TableState, head: Snapshot): TableState {
  const now = head.tables[type];
  if (now !== undefined && sameFiles(now, then)) return now;
  return { ...then, revision: Math.max(now?.revision ?? 0, then.revision) + 1 };
}

/** A view that had failed over the old table stays failed at the table's new revision. */
function renewedView(
  view: ViewState,
  then: Snapshot,
  tables: Readonly<Record<string, TableState>>,
): ViewState {
  const { failure } = view;
  const failedNow = failure !== undefined && failure.revision === then.tables[view.resource]?.revision;
  const revision = tables[view.resource]?.revision;
  if (failure === undefined || !failedNow || revision === undefined) return view;
  return { ...view, failure: { ...failure, revision } };
}

/**
 * The change that makes an old snapshot's state the newest. Tables, views and the sources' watermarks come from the old snapshot: what a
 * source changed since is asked for again. The landings committed since stay known, because their numbers must not be given out or applied
 * again, and so do the latest acceptance time and the erasures.
 */
function changeTo(then: Snapshot, head: Snapshot): SnapshotChange {
  const tables = Object.fromEntries(
    Object.entries(then.tables).map(([type, table]) => [type, renewed(type, table, head)]),
  );
  const views = Object.fromEntries(
    Object.entries(then.views).map(([name, view]) => [name, renewedView(view, then, tables)]),
  );
  return {
    operation: { kind: "restore", snapshot: then.id },
    whole: true,
    sources: withPolicies(then, head),
    tables,
    views,
  };
}

/** A loss of then is there again, whatever made up for it since. */
function withNewLoss(state: SourceState): SourceState {
  return state.loss === undefined ? state : { ...state, loss: newLoss(state.loss.upTo) };
}

/** Sources as they were; one that is younger keeps its ordering rule, because its landings are known, but starts from nothing. */
function withPolicies(then: Snapshot, head: Snapshot): Snapshot["sources"] {
  const younger = Object.entries(head.sources).filter(([name]) => then.sources[name] === undefined);
  return {
    ...Object.fromEntries(Object.entries(then.sources).map(([name, state]) => [name, withNewLoss(state)])),
    ...Object.fromEntries(younger.map(([name, { policy }]) => [name, { policy }])),
  };
}

/**
 * Makes the state of snapshot `id` the newest by a new commit; history stays linear and the snapshots in between stay readable until
 * retention takes them. Undefined when the newest snapshot is that very one. Errors: `lake/snapshot-gone`, `lake/no-such-snapshot`,
 * `lake/head-moved` when something was committed meanwhile, which the restore would have undone unseen.
 */
export async function restoreSnapshot(lake: Lake, id: number): Promise<Snapshot | undefined> {
  const then = await lake.history.at(id);
  const expected = await lake.head();
  if (expected.id === id) return undefined;
  return commit(lake, async (head) => {
    if (head?.id !== expected.id) {
      throw new LakeError(
        "conflict",
        "lake/head-moved",
        `Snapshot ${head?.id} was committed while ${id} was to be restored; look at it and run the command again.`,
        { retryable: true, details: { expected: expected.id, actual: head?.id } },
      );
    }
    // Asked again: it may have been erased or removed while we looked.
    await lake.history.at(id);
    return changeTo(then, expected);
  });
}
