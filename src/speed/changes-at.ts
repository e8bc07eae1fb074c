import type { EventStore } from "#events";
import { CHANGES_PREFIX, type Change, changeOf } from "#landing";

/** Journal events read at once. */
const BATCH = 2000;

/** The changes that stand at these positions of the journal, none of them after `last`. */
export async function changesAt(
  journal: EventStore,
  positions: readonly number[],
  last: number,
): Promise<Change[]> {
  const wanted = new Set(positions);
  const changes: Change[] = [];
  // Not as arguments: there may be more of them than a call takes.
  let after = positions.reduce((least, position) => Math.min(least, position), last) - 1;
  while (changes.length < wanted.size && after < last) {
    const events = await journal.readAll(after, BATCH, { streamPrefix: CHANGES_PREFIX });
    if (events.length === 0) break;
    for (const event of events) {
      const change = wanted.has(event.position) ? changeOf(event) : undefined;
      if (change !== undefined) changes.push(change);
    }
    after = events.at(-1)!.position;
  }
  return changes;
}
