import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, isLakeError } from "#kernel";
import { keepLease, Lease } from "#runs";
import type { ObjectStore } from "#storage";

const NAME = "publish";
const ASK_AGAIN_MS = 500;

/** How to become the publisher of a place. */
export interface PublisherLease {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** For people who find the lease held. */
  readonly purpose: string;
  /** How long to wait for another publisher to finish. */
  readonly waitMs: number;
}

async function take(request: PublisherLease): Promise<Lease> {
  const until = performance.now() + request.waitMs;
  for (;;) {
    try {
      return await Lease.take({ store: request.store, clock: request.clock }, NAME, request.purpose);
    } catch (error) {
      if (!isLakeError(error, "runs/lease-held") || performance.now() >= until) throw error;
      await sleep(Math.min(ASK_AGAIN_MS, Math.max(1, until - performance.now())));
    }
  }
}

/**
 * Runs `work` as the one publisher of a store. Tables stay whole without it, because a version is given to one writer only; the lease saves
 * double work, and keeps a removal of tables and a publication apart. The signal is aborted when the lease is lost.
 * Errors: `runs/lease-held` when another is at work for longer than `waitMs`.
 */
export async function asPublisher<T>(
  request: PublisherLease,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lease = await take(request);
  const kept = keepLease(lease);
  try {
    return await work(kept.signal);
  } finally {
    await kept.stop();
    // What cannot be given back ends with its time.
    await lease.release().catch(() => undefined);
  }
}
