import type { EventStore, Subscription } from "#events";
import { isLakeError } from "#kernel";
import type { Snapshot } from "#lake";
import { journalStart } from "../journal-start.js";
import type { FollowRequest, LiveStore, LoadRequest } from "../live-store.js";
import { Follower } from "./follower.js";
import { loadShared } from "./load.js";
import { Pump } from "./pump.js";
import { RedisLink } from "./redis-link.js";
import { SharedState } from "./shared-state.js";
import { StreamReader } from "./stream-reader.js";

/** Which Redis, and for which lake and journal. */
export interface RedisStoreOptions {
  /** `redis://…` or `rediss://…`. */
  readonly url: string;
  /** The lake's identity: its keys in Redis are named by it. */
  readonly lakeId: string;
  /** The lake's newest snapshot: what it covers of the journal need not be in Redis. */
  readonly latest: () => Promise<Snapshot | undefined>;
  readonly journal: EventStore;
  /** Told about failures of Redis; it is tried again. */
  readonly onError?: (error: unknown) => void;
}

const TELL_EVERY_MS = 60_000;

class RedisStore implements LiveStore {
  readonly location: string;
  private readonly options: RedisStoreOptions;
  private readonly link: RedisLink;
  private readonly state: SharedState;
  private readonly pump: Pump;
  private readonly onError: (error: unknown) => void;
  private follower: Follower | undefined;
  private toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: RedisStoreOptions, link: RedisLink, identity: string) {
    const { latest, lakeId, journal } = options;
    this.options = options;
    this.link = link;
    this.location = link.location;
    this.state = new SharedState(link, { lake: lakeId, identity });
    this.onError = (error) => this.tell(error);
    this.pump = new Pump({
      journal,
      state: this.state,
      needed: async () => (await journalStart(journal, await latest())).position,
      onError: this.onError,
    });
  }

  /** An outage is told now and then, not at every attempt. */
  private tell(error: unknown): void {
    if (isLakeError(error, "speed/redis-unavailable")) {
      if (performance.now() - this.toldAt < TELL_EVERY_MS) return;
      this.toldAt = performance.now();
    }
    this.options.onError?.(error);
  }

  async load(request: LoadRequest): Promise<number | undefined> {
    try {
      return await loadShared(this.options.journal, this.state, request);
    } catch (error) {
      if (!isLakeError(error, "speed/redis-unavailable") && !isLakeError(error, "events/foreign-event")) {
        throw error;
      }
      this.tell(error);
      return undefined;
    }
  }

  follow(request: FollowRequest): Subscription {
    const { journal } = this.options;
    this.follower = new Follower({ ...request, journal, stream: new StreamReader(journal, this.state) });
    return this.follower;
  }

  async forget(covered: ReadonlyMap<string, number>): Promise<void> {
    await this.state.forget(covered).catch(this.onError);
  }

  get degraded(): string | undefined {
    return this.follower?.degraded;
  }

  get leads(): boolean {
    return this.pump.leads || this.degraded !== undefined;
  }

  async close(): Promise<void> {
    await this.pump.stop();
    this.link.close();
  }
}

/**
 * A store that several serving processes of one lake share in Redis: newest versions by key, and a stream of changes. One of them, by a
 * lease, writes what the journal has; texts stay encrypted as in the journal, under keys that never leave it. Redis need not be there:
 * until it answers, the journal is read. Errors: `speed/bad-redis-url`, and the journal's.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<LiveStore> {
  const link = new RedisLink(options.url);
  try {
    const identity = await options.journal.identity();
    await link.settled();
    return new RedisStore(options, link, identity);
  } catch (error) {
    link.close();
    throw error;
  }
}
