import type { EventStore, StoredEvent } from "#events";
import { isLakeError } from "#kernel";
import { type ErasedTest, type ErasureRequest, erasedBy, type Lake, TextMatch } from "#lake";
import { CHANGE_EVENT, CHANGES_PREFIX, changeOf, changeStream, erasedEvent } from "#landing";
import { DEAD_LETTER_PREFIX, FETCH_PREFIX } from "./receive.js";

const PAGE = 1000;
/** Keys in one event. */
const KEYS_AT_ONCE = 1000;

/** Payload keys to be destroyed, and of them the resources by stream. */
interface Found {
  readonly subjects: Set<string>;
  readonly resources: Map<string, Set<string>>;
  /** Position up to which the journal was looked through. */
  readonly upTo: number;
}

type Test = (event: StoredEvent) => boolean;

/** Which events of each kind of stream are of the erased; those that have lost their payload already count by their subject. */
function tests(lake: Lake, request: ErasureRequest, keys: ReadonlySet<string>): ReadonlyMap<string, Test> {
  const isErased: ErasedTest = erasedBy(lake.definitions, [request]);
  const match = new TextMatch(request, keys);
  const bySubject: Test = ({ subject }) => subject !== undefined && keys.has(subject);
  return new Map<string, Test>([
    [
      CHANGES_PREFIX,
      (event) => {
        if (bySubject(event)) return true;
        if (event.type !== CHANGE_EVENT) return false;
        const change = changeOf(event);
        return change !== undefined && isErased(change);
      },
    ],
    [FETCH_PREFIX, bySubject],
    // Whatever was sent that could not be used: nothing is known of it but its text.
    [
      DEAD_LETTER_PREFIX,
      ({ payload }) => payload !== undefined && match.test(Buffer.from(payload, "base64").toString("utf8")),
    ],
  ]);
}

/**
 * The first events after a position that the journal still has. Serving processes trim meanwhile: what they remove is gone with its keys,
 * which is all that an erasure wants.
 */
async function keptAfter(journal: EventStore, after: number, streamPrefix: string): Promise<StoredEvent[]> {
  for (let at = after; ; at = await journal.trimmedTo(streamPrefix)) {
    try {
      return await journal.readAll(at, PAGE, { streamPrefix });
    } catch (error) {
      if (!isLakeError(error, "events/behind-retention")) throw error;
    }
  }
}

async function look(journal: EventStore, all: ReadonlyMap<string, Test>, after: number): Promise<Found> {
  const upTo = await journal.head();
  const found: Found = { subjects: new Set(), resources: new Map(), upTo };
  for (const [streamPrefix, test] of all) {
    let at = Math.max(after, await journal.trimmedTo(streamPrefix));
    for (;;) {
      const events = await keptAfter(journal, at, streamPrefix);
      for (const event of events) {
        if (event.subject === undefined || !test(event)) continue;
        found.subjects.add(event.subject);
        if (streamPrefix !== CHANGES_PREFIX) continue;
        const keys = found.resources.get(event.stream) ?? new Set<string>();
        found.resources.set(event.stream, keys.add(event.subject));
      }
      if (events.length < PAGE) break;
      at = events.at(-1)!.position;
    }
  }
  return found;
}

/** Tells everybody who follows the streams; done before the payloads go, so that it is done again where this was interrupted. */
async function tell(journal: EventStore, streams: Iterable<string>, { resources }: Found): Promise<void> {
  for (const stream of streams) {
    const keys = [...(resources.get(stream) ?? [])];
    const events = [erasedEvent(keys.slice(0, KEYS_AT_ONCE))];
    for (let i = KEYS_AT_ONCE; i < keys.length; i += KEYS_AT_ONCE) {
      events.push(erasedEvent(keys.slice(i, i + KEYS_AT_ONCE)));
    }
    await journal.append({ stream, events, expected: "any" });
  }
}

/**
 * Makes everything in the journal that belongs to an erasure unreadable: versions of the erased resources, versions about the erased persons
 * that no snapshot has seen yet, and refused notifications that name them. Processes that follow the journal are told by an event in the
 * streams of the sources. What is appended meanwhile is looked through too. Gives the number of keys destroyed.
 */
export async function eraseInJournal(
  lake: Lake,
  journal: EventStore,
  request: ErasureRequest,
  keys: ReadonlySet<string>,
): Promise<number> {
  const all = tests(lake, request, keys);
  const present = new Set((await journal.streams(CHANGES_PREFIX)).map(({ stream }) => stream));
  const streams = request.sources.map(changeStream).filter((stream) => present.has(stream));
  let found = await look(journal, all, 0);
  await tell(journal, streams, found);
  let destroyed = await journal.shred([...keys, ...found.subjects]);
  // What was accepted before the event was read as if nothing had happened; what comes after it is refused by the snapshot.
  for (;;) {
    found = await look(journal, all, found.upTo);
    if (found.resources.size === 0 && found.subjects.size === 0) return destroyed;
    await tell(journal, found.resources.keys(), found);
    destroyed += await journal.shred([...found.subjects]);
  }
}
