import type { EventStore } from "#events";
import type { Snapshot } from "#lake";
import { CHANGES_PREFIX } from "#landing";
import { coveredBy } from "./coverage.js";

/** From where the journal must be read for live rows over a snapshot. */
export interface JournalStart {
  /** Events after this position are needed. */
  readonly position: number;
  /** The greatest position that the snapshot covers of any source; 0 when there is none. */
  readonly covered: number;
  /** False when events that the snapshot does not cover were removed from the journal. */
  readonly isWhole: boolean;
}

/** Nothing up to the least covered position is needed: every source's events up to its own are in the snapshot. */
export async function journalStart(journal: EventStore, head: Snapshot | undefined): Promise<JournalStart> {
  const streams = await journal.streams(CHANGES_PREFIX);
  const covered = streams.map(({ stream }) => coveredBy(head, stream.slice(CHANGES_PREFIX.length)));
  const trimmed = await journal.trimmedTo(CHANGES_PREFIX);
  if (covered.length === 0) return { position: trimmed, covered: 0, isWhole: true };
  const least = Math.min(...covered);
  return { position: Math.max(least, trimmed), covered: Math.max(...covered), isWhole: least >= trimmed };
}
