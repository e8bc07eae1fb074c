import { rm } from "node:fs/promises";
import { buildViews, commitLanding, type RegisteredView } from "#batch";
import type { EventStore } from "#events";
import { landChanges } from "#ingestion";
import { beginLanding, type Lake, type Snapshot } from "#lake";
import { CHANGES_PREFIX, type Change, changeOf, changeStream } from "#landing";
import { checkJournal, journalMark, neededAfter } from "#speed";

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

/** Changes of one source in the journal positions (after, upTo], in order. */
async function* changesOf(
  journal: EventStore,
  source: string,
  after: number,
  upTo: number,
): AsyncIterable<readonly Change[]> {
  const stream = changeStream(source);
  for (let at = after; at < upTo; ) {
    const events = await journal.readAll(at, PAGE, { streamPrefix: stream });
    const own = events.filter((event) => event.stream === stream && event.position <= upTo);
    yield own.flatMap((event) => changeOf(event) ?? []);
    if (events.length < PAGE) return;
    at = events.at(-1)!.position;
  }
}

/** True when the source has a change in the journal positions (after, upTo]. */
async function firstChange(
  journal: EventStore,
  source: string,
  after: number,
  upTo: number,
): Promise<Change | undefined> {
  for await (const changes of changesOf(journal, source, after, upTo)) {
    if (changes.length > 0) return changes[0];
  }
  return undefined;
}

/**
 * Folds the journal into the lake: for every source with changes that no snapshot covers, one landing and one snapshot that says how far
 * it covers the journal. Two flushes at once are harmless: what is in already is unchanged, and the greater position stands. Views that
 * are not ready, such as those of a lake that begins with this flush, are built then. Errors: `speed/journal-behind` and
 * `speed/other-journal` when the lake covers what this journal does not hold.
 */
export async function flushJournal(lake: Lake, options: FlushOptions): Promise<FlushResult> {
  const { journal } = options;
  await checkJournal(journal, await lake.history.latest());
  const upTo = await journal.head();
  const changes: Record<string, number> = {};
  let snapshot: Snapshot | undefined;
  for (const { stream } of await journal.streams(CHANGES_PREFIX)) {
    const source = stream.slice(CHANGES_PREFIX.length);
    const covered = (await lake.history.latest())?.sources[source]?.journalPosition ?? 0;
    const after = await neededAfter(journal, stream, covered);
    const first = await firstChange(journal, source, after, upTo);
    if (first === undefined) continue;
    const made = await flushSource(lake, options, { first, after, upTo });
    changes[source] = made.count;
    snapshot = made.snapshot ?? snapshot;
  }
  if (Object.values(snapshot?.views ?? {}).some((view) => view.state !== "ready")) {
    snapshot = (await buildViews(lake, { views: new Map() })) ?? snapshot;
  }
  return { upTo, changes, snapshot };
}

async function flushSource(
  lake: Lake,
  { journal, views }: FlushOptions,
  range: { first: Change; after: number; upTo: number },
): Promise<{ count: number; snapshot: Snapshot | undefined }> {
  const { source, policy } = range.first;
  const place = await beginLanding(lake);
  try {
    const manifest = await landChanges({
      changes: changesOf(journal, source, range.after, range.upTo),
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
        journalPosition: range.upTo,
        journalMark: await journalMark(journal, range.upTo),
      },
    });
    return { count: manifest.counts.accepted, snapshot };
  } finally {
    await rm(place.dir, { recursive: true, force: true });
  }
}
