import { setTimeout as sleep } from "node:timers/promises";
import { isLakeError } from "#kernel";
import { keepLease, Lease, type LeaseContext } from "./lease.js";

const ASK_AGAIN_MS = 500;

/** Which lease to work under. */
export interface LeaseRequest extends LeaseContext {
  /** One key segment. */
  readonly name: string;
  /** For people who find the lease held. */
  readonly purpose: string;
  /** How long to wait for another holder to finish. */
  readonly waitMs: number;
}

async function take(request: LeaseRequest): Promise<Lease> {
  const until = performance.now() + request.waitMs;
  for (;;) {
    try {
      return await Lease.take(request, request.name, request.purpose);
    } catch (error) {
      if (!isLakeError(error, "runs/lease-held") || performance.now() >= until) throw error;
      await sleep(Math.min(ASK_AGAIN_MS, Math.max(1, until - performance.now())));
    }
  }
}

/**
 * Runs `work` as the one holder of a lease, which is renewed meanwhile and given back afterwards. The signal is aborted when the lease is
 * lost. Errors: `runs/lease-held` when another holds it for longer than `waitMs`.
 */
export async function withLease<T>(
  request: LeaseRequest,
  work: (lost: AbortSignal) => Promise<T>,
): Promise<T> {
  const lease = await take(request);
  const kept = keepLease(lease, request.times);
  try {
    return await work(kept.signal);
  } finally {
    await kept.stop();
    // What cannot be given back ends with its time.
    await lease.release().catch(() => undefined);
  }
}
