import type { EventStore } from "#events";
import { type Change, changeOf, changeStream } from "#landing";

/** Changes of one source in the journal positions (after, upTo], in order, read so many at once. */
export async function* changesOf(
  journal: EventStore,
  source: string,
  range: { readonly after: number; readonly upTo: number },
  page: number,
): AsyncIterable<readonly Change[]> {
  const stream = changeStream(source);
  for (let at = range.after; at < range.upTo; ) {
    const events = await journal.readAll(at, page, { streamPrefix: stream });
    const own = events.filter((event) => event.stream === stream && event.position <= range.upTo);
    yield own.flatMap((event) => changeOf(event) ?? []);
    if (events.length < page) return;
    at = events.at(-1)!.position;
  }
}

/** The first change of a source in the journal positions (after, upTo]; undefined when it has none. */
export async function firstChange(...given: Parameters<typeof changesOf>): Promise<Change | undefined> {
  for await (const changes of changesOf(...given)) {
    if (changes.length > 0) return changes[0];
  }
  return undefined;
}
