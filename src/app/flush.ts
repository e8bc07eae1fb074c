import { rm } from "node:fs/promises";
import { buildViews, commitLanding, type RegisteredView } from "#batch";
import type { EventStore } from "#events";
import { landChanges } from "#ingestion";
import { beginLanding, type Lake, newLoss, type Snapshot } from "#lake";
import { CHANGES_PREFIX, type Change, changeStream } from "#landing";
import { checkJournal, journalMark, keptAfter } from "#speed";
import { declareLoss } from "./declare-loss.js";
import { changesOf, firstChange } from "./journal-changes.js";

/** What to fold and into what. */
export interface FlushOptions {
  readonly journal: EventStore;
  /** Views that a new lake starts with. */
  readonly views: ReadonlyMap<string, RegisteredView>;
}

/** What a flush did. */
export interface FlushResult {
  /** Journal position up to which every source is covered now. */
  readonly upTo: number;
  /** Changes that were folded in, by source. */
  readonly changes: Readonly<Record<string, number>>;
  readonly snapshot: Snapshot | undefined;
}

const PAGE = 1000;

/** What of a source is to be folded in. */
interface Range {
  readonly first: Change;
  /** What the lake covers of the source. */
  readonly covered: number;
  readonly after: number;
  readonly upTo: number;
  /** False when changes between `covered` and `after` are gone; of a source that the lake does not know yet. */
  readonly isWhole: boolean;
}

/** The changes of a source that no snapshot covers; undefined when there are none. */
async function openRange(
  lake: Lake,
  journal: EventStore,
  source: string,
  upTo: number,
): Promise<Range | undefined> {
  await declareLoss(lake, journal, source);
  const covered = (await lake.history.latest())?.sources[source]?.journalPosition ?? 0;
  const { after, isWhole } = await keptAfter(journal, changeStream(source), covered);
  const first = await firstChange(journal, source, { after, upTo }, PAGE);
  return first === undefined ? undefined : { first, covered, after, upTo, isWhole };
}

/**
 * Folds the journal into the lake: for every source with changes that no snapshot covers, one landing and one snapshot that says how far
 * it covers the journal. Two flushes at once are harmless: what is in already is unchanged, and the greater position stands. Views that
 * are not ready, such as those of a lake that begins with this flush, are built then. What is missing because the lake was set back beyond what the
 * journal keeps is declared ({@link declareLoss}). Errors: `speed/journal-behind` and `speed/other-journal` when the lake covers what this journal does not
 * hold; where a source cannot be folded in, the first such error, after all others were.
 */
export async function flushJournal(lake: Lake, options: FlushOptions): Promise<FlushResult> {
  const { journal } = options;
  await checkJournal(journal, await lake.history.latest());
  const upTo = await journal.head();
  const changes: Record<string, number> = {};
  const failures: unknown[] = [];
  let snapshot: Snapshot | undefined;
  for (const { stream } of await journal.streams(CHANGES_PREFIX)) {
    const source = stream.slice(CHANGES_PREFIX.length);
    try {
      const range = await openRange(lake, journal, source, upTo);
      if (range === undefined) continue;
      const made = await flushSource(lake, options, range);
      changes[source] = made.count;
      snapshot = made.snapshot ?? snapshot;
    } catch (error) {
      failures.push(error);
    }
  }
  if (Object.values(snapshot?.views ?? {}).some((view) => view.state !== "ready")) {
    snapshot = (await buildViews(lake, { views: new Map() })) ?? snapshot;
  }
  if (failures.length > 0) throw failures[0];
  return { upTo, changes, snapshot };
}

async function flushSource(
  lake: Lake,
  { journal, views }: FlushOptions,
  { first, covered, after, upTo, isWhole }: Range,
): Promise<{ count: number; snapshot: Snapshot | undefined }> {
  const { source, policy } = first;
  const place = await beginLanding(lake);
  try {
    const manifest = await landChanges({
      changes: changesOf(journal, source, { after, upTo }, PAGE),
      source,
      policy,
      landingDir: place.dir,
      sequence: place.sequence,
      acceptedAt: place.acceptedAt,
      definitions: lake.definitions,
    });
    const { snapshot } = await commitLanding(lake, {
      landingDir: place.dir,
      manifest,
      views,
      sourceState: {
        journalPosition: upTo,
        journalMark: await journalMark(journal, upTo),
        // A lake that is set back while this goes on lacks what came before.
        journalAfter: covered,
        ...(isWhole ? {} : { loss: newLoss(after) }),
      },
    });
    return { count: manifest.counts.accepted, snapshot };
  } finally {
    await rm(place.dir, { recursive: true, force: true });
  }
}
