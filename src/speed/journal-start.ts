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

/**
 * The position after which a source's changes must be read, when a snapshot covers them up to `covered`. Changes of a source that began
 * after others were trimmed are all kept, although nothing of it is covered.
 */
export async function neededAfter(journal: EventStore, stream: string, covered: number): Promise<number> {
  const trimmed = await journal.trimmedTo(stream);
  if (covered >= trimmed) return covered;
  for await (const first of journal.readStream(stream)) {
    return first.version === 1 ? trimmed : covered;
  }
  return covered;
}

/** Nothing up to the least covered position is needed: every source's events up to its own are in the snapshot. */
export async function journalStart(journal: EventStore, head: Snapshot | undefined): Promise<JournalStart> {
  const streams = await journal.streams(CHANGES_PREFIX);
  const covered = streams.map(({ stream }) => coveredBy(head, stream.slice(CHANGES_PREFIX.length)));
  const trimmed = await journal.trimmedTo(CHANGES_PREFIX);
  if (covered.length === 0) return { position: trimmed, covered: 0, isWhole: true };
  const needed = await Promise.all(
    streams.map(async ({ stream }, i) => await neededAfter(journal, stream, covered[i]!)),
  );
  const least = Math.min(...needed);
  return { position: Math.max(least, trimmed), covered: Math.max(...covered), isWhole: least >= trimmed };
}
