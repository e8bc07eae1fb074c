import type { StoredEvent, Subscription } from "#events";

/** What a process needs that builds its live rows. */
export interface LoadRequest {
  /** Journal position that the snapshot covers of a source, over which the rows are built. */
  readonly covered: (source: string) => number;
  /** Nothing of the journal up to here is needed: every source's events are in the snapshot, or were removed. */
  readonly needed: number;
  /** Takes the newest versions, in journal order and in batches. */
  readonly handle: (events: readonly StoredEvent[]) => Promise<void>;
}

/** How changes are handed over. */
export interface FollowRequest {
  /** Events after this position. */
  readonly from: number;
  /** Called with one batch at a time, in journal order, never empty; the same batch again when it fails. */
  readonly handle: (events: readonly StoredEvent[]) => Promise<void>;
  /** Told about each failure that is tried again. */
  readonly onError: (error: unknown) => void;
  /** Told when it goes on after failures. */
  readonly onRecovered: () => void;
}

/**
 * Where a process gets the live versions from: the port of the speed layer. A store is a cache of the journal: whatever happens to it, what
 * it hands over is exactly what the journal holds, in its order; when it cannot, it reads the journal itself and says so in `degraded`.
 * `embeddedStore(journal)` is the journal alone; `openRedisStore` keeps newest versions and changes in Redis for several processes. The caller of
 * `LiveLake.start({ store })` closes the store after the live lake and before the journal.
 */
export interface LiveStore {
  /** Shown to people; without credentials. */
  readonly location: string;
  /**
   * Hands over the newest version of every resource, for a process that begins. Answers the position from which on the changes must
   * be followed, or undefined when the journal must be read from `needed` on instead; versions that were handed over by then
   * do not count.
   */
  load(request: LoadRequest): Promise<number | undefined>;
  /** Hands over every change after a position, in order, as soon as it can. */
  follow(request: FollowRequest): Subscription;
  /** Told when a snapshot covers these journal positions, by source: the versions up to there need not be kept. */
  forget(covered: ReadonlyMap<string, number>): Promise<void>;
  /** Why the store does not serve now; undefined when all is well. Answers are as right as ever, and may be a little later. */
  readonly degraded: string | undefined;
  /** True for the one process among those sharing the store that does what one should do, such as flushing. Several may, harmlessly. */
  readonly leads: boolean;
  close(): Promise<void>;
}
