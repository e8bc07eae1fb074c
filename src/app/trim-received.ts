import { setTimeout as sleep } from "node:timers/promises";
import type { EventStore } from "#events";
import type { Clock } from "#kernel";
import { DEAD_LETTER_RETENTION_DAYS, DEAD_LETTERS_AT_ONCE } from "./dead-letters.js";
import { DEAD_LETTER_PREFIX, FETCH_CHECKPOINT_PREFIX, FETCH_PREFIX } from "./receive.js";

/** What trimming works with. */
export interface TrimReceivedOptions {
  readonly journal: EventStore;
  /** True for the sources that resources are read back from: what is still to be read of them stays. */
  readonly isRead: (source: string) => boolean;
  readonly clock: Clock;
  /** Pause between looking how far everything was read and removing its names, in milliseconds. Default a minute. */
  readonly settleMs?: number;
  /** Ends the pause; the names stay then. */
  readonly signal?: AbortSignal;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/**
 * Trimming moves on for all streams at once, those of sources without anything to be read among them, whose readers save where they are a
 * moment later than others. A reader that is overtaken ends, so they are given time.
 */
const SETTLE_MS = 60_000;

/** Up to where everything that was to be read of the sources was handled; 0 when nothing was. */
async function handledUpTo({ journal, isRead }: TrimReceivedOptions): Promise<number> {
  const streams = await journal.streams(FETCH_PREFIX);
  if (streams.length === 0) return 0;
  const sources = streams.map(({ stream }) => stream.slice(FETCH_PREFIX.length)).filter(isRead);
  const handled = await Promise.all(
    sources.map((source) => journal.checkpoint(`${FETCH_CHECKPOINT_PREFIX}${source}`)),
  );
  return Math.min(await journal.head(), ...handled);
}

/** Position of the newest dead letter that is older than the retention; 0 when none is. */
async function expiredUpTo({ journal, clock }: TrimReceivedOptions): Promise<number> {
  const kept = clock.now().getTime() - DEAD_LETTER_RETENTION_DAYS * DAY_MS;
  let expired = 0;
  for (const { stream } of await journal.streams(DEAD_LETTER_PREFIX)) {
    // The oldest first, and no further than the first that stays: an hour without dead letters costs a look at each stream.
    for await (const { position, occurredAt } of journal.readStream(stream, 1, DEAD_LETTERS_AT_ONCE)) {
      if (Date.parse(occurredAt) >= kept) break;
      expired = Math.max(expired, position);
    }
  }
  return expired;
}

/** True when one of the streams still has an event up to a position, left by a trim that was cut short perhaps. */
async function hasUpTo(journal: EventStore, prefix: string, position: number): Promise<boolean> {
  for (const { stream } of await journal.streams(prefix)) {
    for await (const oldest of journal.readStream(stream, 1, 1)) {
      if (oldest.position <= position) return true;
      break;
    }
  }
  return false;
}

async function trim(journal: EventStore, prefix: string, upTo: number): Promise<void> {
  // The journal's last event stays whatever it is: what is kept elsewhere of the journal, in Redis, names it to prove whose it is.
  const last = Math.min(upTo, (await journal.head()) - 1);
  if (await hasUpTo(journal, prefix, last)) await journal.trim(prefix, last);
}

/**
 * Removes from the journal what notifications left there and nobody needs any more: dead letters that are older than
 * {@link DEAD_LETTER_RETENTION_DAYS}, and the names of resources to be read as far as all sources' were handled. Names of a source that is
 * read no more go as well: when it comes back, a run of it makes up for them. Several processes may do it at once.
 */
export async function trimReceived(options: TrimReceivedOptions): Promise<void> {
  const { journal, settleMs = SETTLE_MS, signal } = options;
  await trim(journal, DEAD_LETTER_PREFIX, await expiredUpTo(options));
  const handled = await handledUpTo(options);
  await sleep(settleMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  if (signal?.aborted !== true) await trim(journal, FETCH_PREFIX, handled);
}

/** Does {@link trimReceived} once an hour until the signal aborts; then it resolves. */
export async function keepReceivedTrimmed(
  options: TrimReceivedOptions & { readonly signal: AbortSignal; readonly onError: (error: unknown) => void },
): Promise<void> {
  const { signal, onError } = options;
  while (!signal.aborted) {
    await trimReceived(options).catch(onError);
    await sleep(HOUR_MS, undefined, { signal }).catch(() => undefined);
  }
}
