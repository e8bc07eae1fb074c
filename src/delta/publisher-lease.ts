import type { Clock } from "#kernel";
import { withLease } from "#runs";
import type { ObjectStore } from "#storage";

/** How to become the publisher of a place. */
export interface PublisherLease {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** For people who find the lease held. */
  readonly purpose: string;
  /** How long to wait for another publisher to finish. */
  readonly waitMs: number;
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
  return withLease({ ...request, name: "publish" }, work);
}
