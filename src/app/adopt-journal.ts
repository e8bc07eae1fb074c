import type { EventStore } from "#events";
import { adoptJournal, type Lake, type Snapshot } from "#lake";
import { CHANGES_PREFIX } from "#landing";
import { journalMark } from "#speed";

/**
 * Lets a lake go on with a journal that is not the one whose changes it holds. All that the journal still has is folded in, also what the lake
 * has already: order keys tell, and what was accepted into this journal while it was taken for the other one is not lost.
 */
export async function goOnWith(lake: Lake, journal: EventStore): Promise<Snapshot | undefined> {
  // An empty journal is given its identity first, so that an event marks it.
  await journal.identity();
  const mark = await journalMark(journal, await journal.head());
  return adoptJournal(lake, { mark, position: await journal.trimmedTo(CHANGES_PREFIX) });
}
