import type { EventStore } from "#events";
import { CHANGES_PREFIX } from "#landing";
import type { LiveStore } from "./live-store.js";

/** Journal events handled at once. */
const BATCH = 5000;
/** A change may wait for so long for others to share the cost of a batch with, see `SubscriptionOptions.mostRestMs`. */
const MOST_REST_MS = 100;

/**
 * The store of one process: no copy of anything, the journal is read from the last snapshot on and followed. Keys and order keys
 * stand in the process's memory, rows in its engine.
 */
export function embeddedStore(journal: EventStore): LiveStore {
  return {
    location: "embedded",
    load: async () => undefined,
    follow: (request) =>
      journal.subscribe({ ...request, streamPrefix: CHANGES_PREFIX, batch: BATCH, mostRestMs: MOST_REST_MS }),
    forget: async () => undefined,
    degraded: undefined,
    leads: true,
    close: async () => undefined,
  };
}
