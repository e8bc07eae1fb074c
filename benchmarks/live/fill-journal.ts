import { type EventStore, openEventStore } from "#events";
import { ChangeReader } from "#ingestion";
import { systemClock } from "#kernel";
import type { Lake } from "#lake";
import { changeEvent, changeStream, instantOfMs } from "#landing";
import { changedNow } from "./changes.js";

const PER_APPEND = 500;

/** Appends so many changes of the source `main` to a journal, the lines in turn, as the receiver would. */
export async function appendChanges(
  journal: EventStore,
  lake: Lake,
  lines: Pick<readonly string[], "at" | "length">,
  range: { readonly from: number; readonly count: number },
): Promise<number> {
  const reader = new ChangeReader(lake.definitions, { maxDepth: 64 });
  const sequence = (await lake.history.latest())?.landings[0] ?? 0;
  let last = 0;
  for (let at = range.from; at < range.from + range.count; at += PER_APPEND) {
    const count = Math.min(PER_APPEND, range.from + range.count - at);
    const now = systemClock.now();
    const events = Array.from({ length: count }, (_, offset) =>
      changeEvent(
        reader.update(Buffer.from(changedNow(lines.at((at + offset) % lines.length)!, now)), {
          source: "main",
          policy: "time",
          receivedAt: instantOfMs(now.getTime()),
          sequence,
        }),
      ),
    );
    last = (await journal.append({ stream: changeStream("main"), events, expected: "any" })).position;
  }
  return last;
}

/** The journal of a lake in its folder. */
export function journalOf(lake: string): Promise<EventStore> {
  return openEventStore({ file: `${lake}/journal/journal.sqlite` });
}
