import { randomUUID } from "node:crypto";
import { commit } from "./commit.js";
import type { Lake } from "./lake.js";
import type { Snapshot, SourceLoss, SourceState } from "./snapshot.js";
import { changedSource } from "./source-state.js";

/** Records that changes up to a journal position are missing; they count as covered, so that what comes after them can be. */
export function commitLoss(
  lake: Lake,
  source: string,
  { after, upTo }: { readonly after: number; readonly upTo: number },
): Promise<Snapshot | undefined> {
  return commit(lake, async (head) => {
    const known = head?.sources[source];
    // Somebody was faster, or the lake was set back again: what is missing is looked for again.
    if (known === undefined || (known.journalPosition ?? 0) !== after) return undefined;
    const state: SourceState = { ...known, journalPosition: upTo, loss: newLoss(upTo) };
    return { operation: { kind: "source-state", source }, sources: { [source]: state } };
  });
}

/** A loss that no run has closed. */
export function newLoss(upTo: number): SourceLoss {
  return { id: randomUUID(), upTo };
}

/**
 * Removes a loss after a run that began when it stood has brought everything. Undefined when it stands no longer. Errors: `lake/fenced` as
 * {@link changedSource}.
 */
export function endLoss(
  lake: Lake,
  source: string,
  { id, run, fence }: { readonly id: string; readonly run: string; readonly fence: number },
): Promise<Snapshot | undefined> {
  return commit(lake, async (head) => {
    const known = head?.sources[source];
    if (known?.loss?.id !== id) return undefined;
    const { loss: _loss, ...rest } = known;
    const state = { ...(changedSource(rest, source, known.policy, { fence }) ?? rest), run, fence };
    return { operation: { kind: "source-state", source }, sources: { [source]: state } };
  });
}
