import type { EventStore } from "#events";
import { commitSourceState, type Lake } from "#lake";
import { CHANGES_PREFIX } from "#landing";
import { keptAfter } from "#speed";
import { firstChange } from "./journal-changes.js";

/** Sources that are looked at here have no changes, or nothing is trimmed. */
const PAGE = 100;

/**
 * Removes changes from the journal up to a position that a flush has covered. Sources without changes since what is covered of them are first
 * recorded as covered too, or what is removed would look as if it were missed. False when nothing was removed, because the lake lacks changes up
 * to there: it does not know the source yet, or was set back since the flush. They are a flush's to take first. Errors: those of the journal, and
 * `lake/coverage-went-back` when the lake is set back meanwhile.
 */
export async function trimCovered(lake: Lake, journal: EventStore, upTo: number): Promise<boolean> {
  for (const { stream } of await journal.streams(CHANGES_PREFIX)) {
    const source = stream.slice(CHANGES_PREFIX.length);
    const state = (await lake.history.latest())?.sources[source];
    if (state === undefined) return false;
    const covered = state.journalPosition ?? 0;
    if (covered >= upTo) continue;
    const { after, isWhole } = await keptAfter(journal, stream, covered);
    if (!isWhole || (await firstChange(journal, source, { after, upTo }, PAGE)) !== undefined) return false;
    await commitSourceState(lake, source, { journalPosition: upTo, journalAfter: covered });
  }
  await journal.trim(CHANGES_PREFIX, upTo);
  return true;
}
