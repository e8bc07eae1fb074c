import { randomUUID } from "node:crypto";
import type { EventStore, NewEvent } from "#events";
import type { ReceiverPorts } from "#ingestion";
import { shareCalls } from "#kernel";
import type { Lake } from "#lake";
import { changeEvent, changeStream, type NewChange, resourceKey } from "#landing";
import { followEvents } from "./subscribe/follow-state.js";

/** Streams of resources that are to be read from their source, one stream per source. */
export const FETCH_PREFIX = "fetch/";
/** Checkpoints of the reading, one per source: everything up to there was read, or needs no reading. */
export const FETCH_CHECKPOINT_PREFIX = "fetch-back/";
/** Streams of notifications that could not be used, one stream per source. */
export const DEAD_LETTER_PREFIX = "dead-letter/";
/** Streams of what is known about the notifications of a source: what subscriptions told, and what may be missing. */
export const SUBSCRIPTION_PREFIX = "subscription/";

function bySource(changes: readonly NewChange[]): Map<string, NewEvent[]> {
  const groups = new Map<string, NewEvent[]>();
  for (const change of changes) {
    const group = groups.get(change.source) ?? [];
    group.push(changeEvent(change));
    groups.set(change.source, group);
  }
  return groups;
}

/** The endpoint's ports over a journal: everything is an event, and durable when it is answered. */
export function journalPorts(lake: Lake, journal: EventStore): ReceiverPorts {
  return {
    accept: async (changes) => {
      const appends = [...bySource(changes)].map(([source, events]) =>
        journal.append({ stream: changeStream(source), events, expected: "any" }),
      );
      await Promise.all(appends);
    },
    fetchBack: async (source, references) => {
      const events: NewEvent[] = references.map(({ type, id }) => ({
        type: "fetch-back",
        data: { type },
        payload: id,
        subject: resourceKey(source, type, id),
      }));
      await journal.append({ stream: `${FETCH_PREFIX}${source}`, events, expected: "any" });
    },
    missed: async (source, reason) => {
      const stream = `${SUBSCRIPTION_PREFIX}${source}`;
      await journal.append({ stream, events: [followEvents.dirty(reason)], expected: "any" });
    },
    deadLetter: async ({ source, sender, code, message, body }) => {
      const payload = Buffer.from(body).toString("base64");
      await journal.append({
        stream: `${DEAD_LETTER_PREFIX}${source}`,
        events: [
          {
            type: "notification-refused",
            data: { sender, code, message, sizeBytes: body.length },
            payload,
            // Nobody knows whose it is: a key of its own.
            subject: randomUUID(),
          },
        ],
        expected: "any",
      });
    },
    status: async (sender, status) => {
      const { subscription, type, eventsSinceStart, events, status: code } = status;
      const numbers = events.flatMap((event) => event.number ?? []);
      await journal.append({
        stream: `${SUBSCRIPTION_PREFIX}${sender}`,
        events: [
          {
            type: "subscription-status",
            data: { subscription, type, eventsSinceStart, numbers, status: code },
          },
        ],
        expected: "any",
      });
    },
    // Under load many notifications share one look.
    sequence: shareCalls(async () => (await lake.history.latest())?.landings[0] ?? 0),
  };
}
