import { LakeError } from "#kernel";
import { commit } from "./commit.js";
import type { Lake } from "./lake.js";
import type { Snapshot, SourceState, SourceStateChange } from "./snapshot.js";

/**
 * The source's state with the news in it, or undefined when they tell nothing new (`run` and `fence` alone are no news).
 * Errors: `lake/fenced` when a later run of the source has committed already,
 * `lake/coverage-went-back` when the lake was set back to a state that covers less, of the journal or by its watermarks, than the news begin after.
 */
export function changedSource(
  known: SourceState | undefined,
  source: string,
  policy: SourceState["policy"],
  change: SourceStateChange,
): SourceState | undefined {
  if (change.fence !== undefined && known?.fence !== undefined && known.fence > change.fence) {
    throw new LakeError(
      "conflict",
      "lake/fenced",
      `Another run of the source '${source}' has taken over; this one changed nothing and may end.`,
      { details: { source } },
    );
  }
  const { run: _run, fence: _fence, journalAfter = 0, watermarksAfter, ...rest } = change;
  const standing = known?.watermarks ?? {};
  const isPassed = watermarksAfter !== undefined && canonical(watermarksAfter) !== canonical(standing);
  if (journalAfter > (known?.journalPosition ?? 0) || isPassed) throw coverageWentBack(source);
  const next: SourceState = {
    ...known,
    ...rest,
    policy,
    ...(coversLess(rest, known) ? coverage(known) : {}),
  };
  if (known !== undefined && canonical(next) === canonical(known)) return undefined;
  const by = {
    ...(change.run === undefined ? {} : { run: change.run }),
    ...(change.fence === undefined ? {} : { fence: change.fence }),
  };
  return { ...next, ...by };
}

/** Of two flushes at once the one that covers less may commit last. */
function coversLess(
  { journalPosition }: SourceStateChange,
  known: SourceState | undefined,
): known is SourceState {
  return journalPosition !== undefined && journalPosition < (known?.journalPosition ?? 0);
}

function coverage({ journalPosition, journalMark }: SourceState): Partial<SourceState> {
  return {
    ...(journalPosition === undefined ? {} : { journalPosition }),
    ...(journalMark === undefined ? {} : { journalMark }),
  };
}

/** A retryable `lake/coverage-went-back`: what was to be committed begins where the lake no longer ends. */
export function coverageWentBack(source: string): LakeError {
  return new LakeError(
    "conflict",
    "lake/coverage-went-back",
    `The lake was set back while changes of the source '${source}' were to be added to it; try again, everything since is read then.`,
    { retryable: true, details: { source } },
  );
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Commits news about a known source that come without data. Undefined when the source is unknown or nothing is new. */
export function commitSourceState(
  lake: Lake,
  source: string,
  change: SourceStateChange,
): Promise<Snapshot | undefined> {
  return commit(lake, async (head) => {
    const known = head?.sources[source];
    if (known === undefined) return undefined;
    const state = changedSource(known, source, known.policy, change);
    if (state === undefined) return undefined;
    return { operation: { kind: "source-state", source }, sources: { [source]: state } };
  });
}
