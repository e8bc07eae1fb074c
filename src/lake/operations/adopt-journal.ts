import { commit } from "../commit.js";
import type { Lake } from "../lake.js";
import type { JournalMark, Snapshot, SourceState } from "../snapshot.js";
import { newLoss } from "../source-loss.js";

/** A journal, and the position up to which nothing of it is to be folded in. */
export interface AdoptedJournal {
  readonly mark: JournalMark;
  readonly position: number;
}

/** Nobody knows which changes the old journal had besides: of a source that is run, a run can tell. */
function adopting(state: SourceState, { mark, position }: AdoptedJournal): SourceState {
  return {
    ...state,
    ...(state.watermarks === undefined ? {} : { deletesVerified: false, loss: newLoss(position) }),
    journalPosition: position,
    journalMark: mark,
  };
}

/**
 * Commits that the lake goes on with another journal: what that one holds after the position is folded in by the next flush, as far as it is
 * new, and the next run of every source asks for everything; until it succeeded, changes of the source may be missing. Undefined for an empty lake.
 */
export function adoptJournal(lake: Lake, journal: AdoptedJournal): Promise<Snapshot | undefined> {
  return commit(lake, async (head) => {
    if (head === undefined) return undefined;
    const sources = Object.entries(head.sources).map(
      ([name, state]) => [name, adopting(state, journal)] as const,
    );
    return { operation: { kind: "adopt-journal" }, sources: Object.fromEntries(sources) };
  });
}
