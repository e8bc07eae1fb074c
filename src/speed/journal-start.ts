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
  /** By source the position up to which changes that the snapshot does not cover were removed from the journal. */
  readonly losses: ReadonlyMap<string, number>;
}

/** What the journal has of a source's changes that a snapshot does not cover. */
export interface KeptChanges {
  /** They come after this position. */
  readonly after: number;
  /** False when others, up to that position, were removed from the journal before a snapshot covered them. */
  readonly isWhole: boolean;
}

/**
 * Where a source's changes begin that are to be read when a snapshot covers them up to `covered`. Changes of a source that began after others were
 * trimmed are all kept, although nothing of it is covered.
 */
export async function keptAfter(journal: EventStore, stream: string, covered: number): Promise<KeptChanges> {
  const trimmed = await journal.trimmedTo(stream);
  if (covered >= trimmed) return { after: covered, isWhole: true };
  for await (const first of journal.readStream(stream)) {
    // A trim that was cut short has not come to this stream perhaps: what stands below its end was meant to go.
    return { after: trimmed, isWhole: first.version === 1 && first.position > trimmed };
  }
  return { after: trimmed, isWhole: false };
}

/** Nothing up to the least covered position is needed: every source's events up to its own are in the snapshot. */
export async function journalStart(journal: EventStore, head: Snapshot | undefined): Promise<JournalStart> {
  const trimmed = await journal.trimmedTo(CHANGES_PREFIX);
  const losses = new Map<string, number>();
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const { stream } of await journal.streams(CHANGES_PREFIX)) {
    const source = stream.slice(CHANGES_PREFIX.length);
    const covered = coveredBy(head, source);
    const { after, isWhole } = await keptAfter(journal, stream, covered);
    if (!isWhole) losses.set(source, after);
    least = Math.min(least, after);
    most = Math.max(most, covered);
  }
  // Of streams that do not exist nothing is needed.
  return { position: Number.isFinite(least) ? Math.max(least, trimmed) : trimmed, covered: most, losses };
}
