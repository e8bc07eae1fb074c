import { didYouMean, LakeError } from "#kernel";
import type { SnapshotView } from "./catalog.js";

/**
 * The codes of the query layer. `query/no-snapshot` and `query/view-building` are temporary: try again later.
 * The others say that the question, not the lake, must change.
 */
export type QueryErrorCode =
  | "query/no-snapshot"
  | "query/unknown-view"
  | "query/view-building"
  | "query/view-failed"
  | "query/unknown-column"
  | "query/duplicate-column"
  | "query/no-columns"
  | "query/list-filter"
  | "query/not-a-list"
  | "query/not-text"
  | "query/no-order"
  | "query/bad-condition"
  | "query/too-many-conditions"
  | "query/cursor-gone"
  | "query/too-big-for-xlsx"
  | "query/bad-value"
  | "query/bad-limit"
  | "query/policy-misfit"
  | "query/sql-refused"
  | "query/sql-invalid"
  | "query/sql-failed"
  | "query/sql-parameter"
  | "query/sql-too-big"
  | "query/sql-too-long"
  | "query/sql-cancelled"
  | "query/sql-crashed"
  | "query/sql-unavailable"
  | "query/sql-busy";

/** A name that somebody typed, short enough to be shown to them again. */
function shown(name: string): string {
  return name.slice(0, 64);
}

export function noSnapshot(): LakeError {
  return new LakeError(
    "unavailable",
    "query/no-snapshot",
    "The lake holds no snapshot yet; ingest something first.",
    {
      retryable: true,
    },
  );
}

export function unknownView(name: string, views: ReadonlyMap<string, SnapshotView>): LakeError {
  const hint = didYouMean(name, views.keys());
  return new LakeError("not-found", "query/unknown-view", `There is no view named '${shown(name)}'.${hint}`, {
    details: { views: [...views.keys()] },
  });
}

function viewBuilding(name: string): LakeError {
  return new LakeError(
    "unavailable",
    "query/view-building",
    `View '${name}' is being built; try again in a few seconds.`,
    {
      retryable: true,
      details: { view: name },
    },
  );
}

function viewFailed(view: SnapshotView): LakeError {
  if (view.failure?.code === "query/policy-misfit") {
    return new LakeError("internal", view.failure.code, view.failure.message);
  }
  return new LakeError(
    "conflict",
    "query/view-failed",
    `View '${view.name}' could not be built from the data: ${view.failure?.message ?? "the reason was not recorded."}`,
    { details: { view: view.name, cause: view.failure?.code } },
  );
}

/** Fails with `query/view-building` or `query/view-failed` when the view has no rows to answer with. */
export function requireReady(view: SnapshotView): void {
  if (view.state === "building") throw viewBuilding(view.name);
  if (view.state === "failed") throw viewFailed(view);
}

export function unknownColumn(
  name: string,
  view: SnapshotView,
  role: string,
  names: readonly string[] = view.columns.map((column) => column.name),
): LakeError {
  return new LakeError(
    "invalid-input",
    "query/unknown-column",
    `View '${view.name}' has no column '${shown(name)}', which ${role} names.${didYouMean(name, names)}`,
    { details: { columns: names } },
  );
}

export function badValue(column: string, expected: string): LakeError {
  return new LakeError(
    "invalid-input",
    "query/bad-value",
    `Column '${column}' is compared with a value that is not ${expected}.`,
    {
      details: { column, expected },
    },
  );
}

/** A page is asked for of a state that can no longer be read. */
export function cursorGone(): LakeError {
  return new LakeError(
    "not-found",
    "query/cursor-gone",
    "The state that this cursor reads is no longer kept. Ask for the first page again; to page for longer than a few minutes, pin the state first (POST /pins) and read with pin=<name>.",
  );
}

/** A read asks for an epoch of a lake that has no speed layer here. */
export function noLiveChanges(): LakeError {
  return new LakeError(
    "invalid-input",
    "query/no-live-changes",
    "This server reads snapshots only; leave min_epoch out.",
  );
}

/** A read asks for an epoch that has not come. */
export function epochNotReached(epoch: number, reached: number): LakeError {
  return new LakeError(
    "unavailable",
    "query/epoch-not-reached",
    `Changes up to epoch ${epoch} are not here yet (now ${reached}); try again.`,
    { details: { epoch, reached }, retryable: true },
  );
}
