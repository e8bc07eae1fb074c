import { setTimeout as sleep } from "node:timers/promises";
import type { EventStore } from "#events";
import type { ReceiverPorts } from "#ingestion";
import { type Clock, isLakeError, LakeError } from "#kernel";
import type { Lake } from "#lake";
import { keepLease, Lease } from "#runs";
import type { LiveLake, SourceLiveBoard } from "#speed";
import type { CatchUp } from "../catch-up.js";
import type { FetchingBack, FetchSource } from "../fetch-back/index.js";
import type { FollowContext } from "./context.js";
import { FollowLog } from "./follow-log.js";
import { Poller } from "./poller.js";
import type { FollowSettings } from "./settings.js";
import { SourceFollower } from "./source-follower.js";

/** What following sources takes. */
export interface FollowOptions {
  readonly lake: Lake;
  readonly journal: EventStore;
  readonly rows: LiveLake;
  readonly states: SourceLiveBoard;
  readonly sources: readonly FollowSettings[];
  readonly source: (name: string) => FetchSource | undefined;
  readonly catchUp: Pick<CatchUp, "run">;
  /** Where what polling finds goes. */
  readonly ports: ReceiverPorts;
  /** Reads what notifications only name. */
  readonly fetching: Pick<FetchingBack, "reached" | "delay">;
  readonly clock: Clock;
  readonly onError?: (error: unknown) => void;
}

/** Following that goes on until it is stopped. */
export interface Following {
  stop(): Promise<void>;
}

/** Name of the lease that one process of a lake holds while it follows the sources. */
export const FOLLOW_LEASE = "follow-sources";
const LEASE_RETRY_MS = 10_000;

/** Follows all sources of a lake while this process holds the lease for it. */
class Follower implements Following {
  private readonly options: FollowOptions;
  private readonly abort = new AbortController();
  private readonly ended: Promise<void>;

  constructor(options: FollowOptions) {
    this.options = options;
    this.ended = this.run();
  }

  private async run(): Promise<void> {
    const { lake, clock, onError } = this.options;
    while (!this.abort.signal.aborted) {
      try {
        const lease = await Lease.take({ store: lake.store, clock }, FOLLOW_LEASE, "following sources");
        const kept = keepLease(lease);
        try {
          await this.follow(AbortSignal.any([kept.signal, this.abort.signal]));
        } finally {
          await kept.stop();
          await lease.release().catch(() => undefined);
        }
      } catch (error) {
        // Another process of this lake follows them, and this one shows what it says.
        if (!isLakeError(error, "runs/lease-held")) onError?.(error);
        await sleep(LEASE_RETRY_MS, undefined, { signal: this.abort.signal }).catch(() => undefined);
      }
    }
  }

  /** Until the signal: the process ends, or the lease is lost. */
  private async follow(signal: AbortSignal): Promise<void> {
    const { journal, sources, onError } = this.options;
    const workers = new Map<string, SourceFollower | Poller>();
    const log = await FollowLog.start(journal, (source) => workers.get(source)?.wake(), onError);
    try {
      await this.endOthers();
      const context = this.context(log);
      const { lake, ports } = this.options;
      for (const settings of sources) {
        const { poll } = settings;
        const worker =
          poll === undefined
            ? new SourceFollower(context, settings)
            : new Poller({ ...context, lake, journal, ports }, settings, poll);
        workers.set(settings.source.name, worker);
      }
      if (!signal.aborted) {
        await new Promise<void>((resolve) =>
          signal.addEventListener("abort", () => resolve(), { once: true }),
        );
      }
    } finally {
      await Promise.all([...workers.values()].map((worker) => worker.stop()));
      await log.stop();
    }
  }

  /** Sources that an earlier configuration followed. */
  private async endOthers(): Promise<void> {
    const { states, sources } = this.options;
    const followed = new Set(sources.map(({ source }) => source.name));
    for (const { source } of states.sourceStates()) {
      if (!followed.has(source)) await states.set(source, "off", "Its notifications are not configured.");
    }
    for (const source of followed) {
      if (states.sourceState(source) === undefined)
        await states.set(source, "catching-up", "It begins to be followed.");
    }
  }

  private context(log: FollowLog): FollowContext {
    const { journal, rows, states, source, catchUp, clock, onError, fetching, ports } = this.options;
    return {
      log,
      states,
      rows,
      catchUp,
      source,
      clock,
      onError,
      fetchDelay: (name) => fetching.delay(name),
      fetchBack: async (name, references) => {
        await ports.fetchBack(name, references);
        const done = async (): Promise<boolean> => {
          await fetching.reached(name, await journal.head());
          await rows.reached(await journal.head());
          return true;
        };
        const reached = await Promise.race([done(), sleep(60_000, false, { signal: this.abort.signal })]);
        if (reached) return;
        throw new LakeError(
          "unavailable",
          "app/not-fetched-back",
          "What the server told again could not be read from it within a minute; it is tried again.",
        );
      },
    };
  }

  async stop(): Promise<void> {
    this.abort.abort();
    await this.ended;
  }
}

/**
 * Follows the notifications of all configured sources: keeps Subscriptions, sees gaps and has them filled, polls servers that have none, and
 * keeps the state of every source. Of several processes on one lake one does it; another takes over when it ends.
 */
export function startFollowing(options: FollowOptions): Following {
  return new Follower(options);
}
