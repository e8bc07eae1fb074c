import { randomUUID } from "node:crypto";
import { type Clock, isLakeError, LakeError } from "#kernel";
import type { ObjectStore } from "#storage";
import { leaseHeld, leaseLost } from "./errors.js";
import { hasEnded, type ProcessIdentity, thisProcess } from "./process-identity.js";

/**
 * Leases over an object store: `leases/<name>/<number>.json`, an append-only sequence of immutable objects of which the greatest
 * counts. Taking, renewing and giving back each append the next number with put-if-absent, so of two who try only one succeeds. A lease
 * ends with its time, when it is given back, or when its process is known to have died. The number under which it was taken is its
 * fence: whoever takes over later has a greater one, and commits that name a smaller one are refused.
 */

/** How long leases last. */
export interface LeaseTimes {
  /** A lease not renewed for so long is free. */
  readonly ttlMs: number;
  /** Clocks of two machines may differ by this much. */
  readonly skewMs: number;
}

/** Two minutes, for clocks that agree to ten seconds. */
export const LEASE_TIMES: LeaseTimes = { ttlMs: 120_000, skewMs: 10_000 };

/** What a lease works on. */
export interface LeaseContext {
  readonly store: Pick<ObjectStore, "putIfAbsent" | "get" | "list" | "delete">;
  readonly clock: Clock;
  readonly times?: LeaseTimes;
  /** Whether a holder's process is known to have ended; looks at this machine when absent. */
  readonly hasEnded?: (holder: ProcessIdentity) => boolean;
  readonly process?: ProcessIdentity;
}

interface LeaseObject {
  readonly holder: string;
  readonly process: ProcessIdentity;
  /** What the holder does, for people. */
  readonly purpose: string;
  readonly expiresAtMs: number;
  readonly released?: boolean;
}

interface Newest {
  readonly number: number;
  readonly object: LeaseObject;
}

const MOST_RACES = 200;
/** Older objects are removed; so many stay that nobody who looked a moment ago can take a number that is gone. */
const KEPT = 20;

function keyOf(name: string, number: number): string {
  return `leases/${name}/${String(number).padStart(12, "0")}.json`;
}

async function read(context: LeaseContext, name: string, number: number): Promise<LeaseObject | undefined> {
  try {
    return JSON.parse(
      Buffer.from(await context.store.get(keyOf(name, number))).toString("utf8"),
    ) as LeaseObject;
  } catch (error) {
    if (isLakeError(error, "storage/not-found")) return undefined;
    throw error;
  }
}

/** The greatest object. A listing gives a place to start; from there the next number is asked for until there is none. */
async function newest(context: LeaseContext, name: string): Promise<Newest | undefined> {
  let number = 0;
  for await (const entry of context.store.list(`leases/${name}/`)) {
    const found = /\/(\d{12})\.json$/.exec(entry.key);
    if (found !== null) number = Math.max(number, Number(found[1]));
  }
  let object = number === 0 ? undefined : await read(context, name, number);
  for (;;) {
    const next = await read(context, name, number + 1);
    if (next === undefined) return object === undefined ? undefined : { number, object };
    number++;
    object = next;
  }
}

function isFree(context: LeaseContext, { object }: Newest): boolean {
  const { skewMs } = context.times ?? LEASE_TIMES;
  if (object.released === true) return true;
  if (context.clock.now().getTime() >= object.expiresAtMs + skewMs) return true;
  return (context.hasEnded ?? hasEnded)(object.process);
}

/** Who holds a lease now, or undefined. */
export async function leaseHolder(
  context: LeaseContext,
  name: string,
): Promise<
  { readonly holder: string; readonly purpose: string; readonly process: ProcessIdentity } | undefined
> {
  const found = await newest(context, name);
  return found === undefined || isFree(context, found) ? undefined : found.object;
}

/** A lease that was taken. It must be renewed well before `ttlMs` is over; see {@link keepLease}. */
export class Lease {
  readonly name: string;
  /** Greater than that of every lease of this name taken before. */
  readonly fence: number;
  private readonly context: LeaseContext;
  private readonly holder: string;
  private readonly purpose: string;
  private number: number;
  private expiresAtMs: number;
  private over = false;

  private constructor(
    context: LeaseContext,
    name: string,
    taken: { holder: string; purpose: string; number: number; expiresAtMs: number },
  ) {
    this.context = context;
    this.name = name;
    this.holder = taken.holder;
    this.purpose = taken.purpose;
    this.fence = taken.number;
    this.number = taken.number;
    this.expiresAtMs = taken.expiresAtMs;
  }

  /** Takes the lease `name` (one key segment). Errors: `runs/lease-held` while another holds it. */
  static async take(context: LeaseContext, name: string, purpose: string): Promise<Lease> {
    const holder = randomUUID();
    for (let race = 0; race < MOST_RACES; race++) {
      const last = await newest(context, name);
      if (last !== undefined && !isFree(context, last)) {
        const { host, pid } = last.object.process;
        throw leaseHeld(name, `process ${pid} on ${host}`, last.object.expiresAtMs);
      }
      const { ttlMs } = context.times ?? LEASE_TIMES;
      const number = (last?.number ?? 0) + 1;
      const expiresAtMs = context.clock.now().getTime() + ttlMs;
      const object = { holder, purpose, expiresAtMs, process: context.process ?? thisProcess() };
      if (await append(context, name, number, object)) {
        return new Lease(context, name, { holder, purpose, number, expiresAtMs });
      }
    }
    throw new LakeError(
      "conflict",
      "runs/lease-contention",
      `Too many want the lease '${name}'; try again.`,
      {
        retryable: true,
      },
    );
  }

  /** True until the time of the lease is over or it is known to be lost. */
  get isHeld(): boolean {
    return !this.over && this.context.clock.now().getTime() < this.expiresAtMs;
  }

  /** Errors: `runs/lease-lost`. */
  check(): void {
    if (!this.isHeld) throw leaseLost(this.name);
  }

  /** Looks whether nobody has taken over, as happens to a process that was paused. Errors: `runs/lease-lost`. */
  async confirm(): Promise<void> {
    this.check();
    const next = await read(this.context, this.name, this.number + 1);
    if (next === undefined || next.holder === this.holder) return;
    this.over = true;
    throw leaseLost(this.name);
  }

  /** Extends the lease to the full time from now. Errors: `runs/lease-lost`. */
  async renew(): Promise<void> {
    this.check();
    const { ttlMs } = this.context.times ?? LEASE_TIMES;
    const expiresAtMs = this.context.clock.now().getTime() + ttlMs;
    await this.appendOwn({ expiresAtMs });
    this.expiresAtMs = expiresAtMs;
    await this.removeOld();
  }

  /** Gives the lease back; nothing happens when it is lost already. */
  async release(): Promise<void> {
    if (this.over) return;
    await this.appendOwn({ expiresAtMs: 0, released: true }).catch((error: unknown) => {
      if (!isLakeError(error, "runs/lease-lost")) throw error;
    });
    this.over = true;
  }

  private async appendOwn(more: { expiresAtMs: number; released?: boolean }): Promise<void> {
    const { context, name, holder, purpose } = this;
    const object = { holder, purpose, process: context.process ?? thisProcess(), ...more };
    while (!(await append(context, name, this.number + 1, object))) {
      // Our own renewal may stand there whose answer never came.
      const standing = await read(context, name, this.number + 1);
      if (standing?.holder !== holder) {
        this.over = true;
        throw leaseLost(name);
      }
      this.number++;
    }
    this.number++;
  }

  private async removeOld(): Promise<void> {
    const old = this.number - KEPT;
    if (old > 0) await this.context.store.delete(keyOf(this.name, old)).catch(() => undefined);
  }
}

/** False when somebody else's object stands under that number. An unclear outcome is read back. */
async function append(
  context: LeaseContext,
  name: string,
  number: number,
  object: LeaseObject,
): Promise<boolean> {
  const bytes = Buffer.from(JSON.stringify(object));
  try {
    if ((await context.store.putIfAbsent(keyOf(name, number), bytes)) === "created") return true;
  } catch (error) {
    const standing = await read(context, name, number);
    if (standing === undefined) throw error;
  }
  const standing = await read(context, name, number);
  return standing?.holder === object.holder && standing.expiresAtMs === object.expiresAtMs;
}

/**
 * Renews a lease every third of its time until stopped. The signal is aborted, with `runs/lease-lost`, as soon as the lease is lost or
 * its time is over without a renewal.
 */
export function keepLease(
  lease: Lease,
  times: LeaseTimes = LEASE_TIMES,
): { readonly signal: AbortSignal; readonly stop: () => Promise<void> } {
  const abort = new AbortController();
  let renewing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    renewing = renewing
      .then(() => lease.renew())
      .catch(() => {
        // Another failure than a loss may pass: the lease is still held until its time is over.
        if (!lease.isHeld) abort.abort(leaseLost(lease.name));
      });
  }, times.ttlMs / 3);
  timer.unref();
  return {
    signal: abort.signal,
    stop: async () => {
      clearInterval(timer);
      await renewing;
    },
  };
}
