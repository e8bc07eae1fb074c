import type { EventStore } from "#events";
import { commitSourceState, type Lake } from "#lake";
import { CHANGES_PREFIX } from "#landing";

/**
 * Removes changes from the journal up to a position that a flush has covered. Sources without changes for long are first recorded as
 * covered too, or what is removed would look as if it were missed; one that the lake does not know yet keeps everything.
 */
export async function trimCovered(lake: Lake, journal: EventStore, upTo: number): Promise<void> {
  for (const { stream } of await journal.streams(CHANGES_PREFIX)) {
    const source = stream.slice(CHANGES_PREFIX.length);
    const state = (await lake.history.latest())?.sources[source];
    if (state === undefined) return;
    if ((state.journalPosition ?? 0) < upTo) await commitSourceState(lake, source, { journalPosition: upTo });
  }
  await journal.trim(CHANGES_PREFIX, upTo);
}
