import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, isLakeError, systemClock } from "#kernel";
import { journalSetBack } from "./errors.js";
import type { EventFilter, StoredEvent } from "./event.js";

/** What to be told about, and how. */
export interface SubscriptionOptions extends EventFilter {
  /** Saves progress under this name; without one, every start begins at `from`. */
  readonly name?: string;
  /** Events after this position, where no progress is saved; default 0. */
  readonly from?: number;
  /** Most events in a batch; fewer while events are large, so that a batch holds about 32 MB. Default 1,000. */
  readonly batch?: number;
  /**
   * After a batch that was not full it rests for as long as that took, at most so long: what comes meanwhile is handled together, which
   * leaves others half of a processor where every batch has a cost of its own. Default 0.
   */
  readonly mostRestMs?: number;
  /** How often other processes' appends are looked for when no hint comes. Default 200 ms. */
  readonly pollMs?: number;
  /** Called with one batch at a time, never empty. */
  readonly handle: (events: readonly StoredEvent[]) => Promise<void>;
  /** Told when it goes on after failures. */
  readonly onRecovered?: () => void;
  /**
   * Told about each failure of reading or handling; the subscription goes on unless events were trimmed away under it. After
   * `events/set-back` it begins again, from the progress that this journal knows of.
   */
  readonly onError?: (error: unknown) => void;
}

/** What a subscription reads from. */
export interface SubscribedJournal {
  head(): Promise<number>;
  readAll(after: number, limit: number, filter: EventFilter): Promise<StoredEvent[]>;
  checkpoint(name: string): Promise<number>;
  saveCheckpoint(name: string, position: number): Promise<void>;
}

/** A running subscription. */
export interface Subscription {
  /** Position up to which everything was handled. */
  readonly position: number;
  /**
   * Milliseconds since 1970 by the journal's clock: every event that was appended by then was handled. 0 before the first time. It
   * stands still while the journal cannot be read.
   */
  readonly currentAt: number;
  /** Resolves when everything up to a position was handled; rejects when the subscription ends before. */
  reached(position: number): Promise<void>;
  /** Ends it after the batch under way. */
  stop(): Promise<void>;
}

const RETRY_MS = 200;
const MOST_RETRY_MS = 5000;

/** When the journal's head was looked at, and where it was. */
interface Look {
  readonly at: number;
  readonly head: number;
}

/** A batch that is being read before it is asked for. */
interface Ahead {
  readonly after: number;
  readonly limit: number;
  /** Where the journal's head was before: what was appended later may be missing. */
  readonly head: number;
  readonly events: Promise<readonly StoredEvent[]>;
}

/** What a batch holds at most, about: payloads are larger or smaller than those of the batch before. */
const BATCH_CHARACTERS = 32 * 2 ** 20;
const FIRST_BATCH = 1000;

/** A reader that falls behind remembers when the head was where, at most this often. */
const LOOK_EVERY_MS = 250;

/** Progress without events is saved at most this often. */
const SAVE_EVERY_MS = 5000;

class Runner implements Subscription {
  position = 0;
  currentAt = 0;
  private readonly looks: Look[] = [];
  private limit: number;
  private readonly clock: Clock;
  private readonly store: SubscribedJournal;
  private readonly options: SubscriptionOptions;
  private readonly abort = new AbortController();
  private readonly waiting = new Set<{ position: number; resolve(): void; reject(error: unknown): void }>();
  private wake: (() => void) | undefined;
  private woken = false;
  private failures = 0;
  private restMs = 0;
  private ahead: Ahead | undefined;
  private savedAtMs = Number.NEGATIVE_INFINITY;
  private readonly ended: Promise<void>;

  constructor(
    store: SubscribedJournal,
    options: SubscriptionOptions,
    listen: (listener: () => void) => () => void,
    clock: Clock,
  ) {
    this.clock = clock;
    this.limit = Math.min(options.batch ?? 1000, FIRST_BATCH);
    this.store = store;
    this.options = options;
    const unlisten = listen(() => this.hint());
    this.ended = this.run().finally(() => {
      unlisten();
      const error = new Error("the subscription has ended");
      for (const { reject } of this.waiting) reject(error);
    });
  }

  private hint(): void {
    this.woken = true;
    this.wake?.();
  }

  private async run(): Promise<void> {
    const { name, from = 0 } = this.options;
    let started = false;
    let end = Number.POSITIVE_INFINITY;
    while (!this.abort.signal.aborted) {
      try {
        if (!started) {
          const saved = name === undefined ? 0 : await this.store.checkpoint(name);
          this.advance(Math.min(end, Math.max(saved, from)));
          started = true;
        }
        this.woken = false;
        if (!(await this.step())) await this.pause(this.options.pollMs ?? 200);
        await this.rest();
        if (this.failures > 0) this.options.onRecovered?.();
        this.failures = 0;
      } catch (error) {
        this.options.onError?.(error);
        if (isLakeError(error, "events/behind-retention") || isLakeError(error, "events/closed")) return;
        if (isLakeError(error, "events/set-back")) {
          started = false;
          end = error.details["head"] as number;
          this.forget();
        }
        this.woken = false;
        await this.pause(Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** this.failures++), false);
      }
    }
  }

  /** What was handled is no longer what stands in the journal. */
  private forget(): void {
    this.position = 0;
    this.looks.length = 0;
    this.ahead = undefined;
  }

  private async rest(): Promise<void> {
    const ms = Math.min(this.restMs, this.options.mostRestMs ?? 0);
    this.restMs = 0;
    if (ms >= 1) await this.pause(ms, false);
  }

  /** Handles one batch; false when there was none. */
  private async step(): Promise<boolean> {
    const { name, handle } = this.options;
    const batch = this.ahead?.after === this.position ? this.ahead.limit : this.limit;
    // Taken before reading: when nothing matches up to here, progress is still made.
    const at = this.clock.now().getTime();
    const head = await this.store.head();
    if (head < this.position) throw journalSetBack(head, this.position);
    this.look({ at, head });
    if (head === this.position) return false;
    const { events, complete } = await this.read(this.position, { limit: batch, head });
    const isFull = events.length === batch;
    const before = performance.now();
    // A reader that is behind has the next batch read while it handles this one.
    if (isFull) this.readAhead(events.at(-1)!.position, head);
    if (events.length > 0) await handle(events);
    this.restMs = isFull ? 0 : performance.now() - before;
    this.adjust(events);
    const last = events.at(-1)?.position ?? 0;
    const reached = isFull ? last : Math.max(complete, last);
    if (name !== undefined) await this.save(name, reached, events.length > 0);
    this.advance(reached);
    return true;
  }

  /** Progress over events of others is saved now and then only: going over them again finds nothing. */
  private async save(name: string, reached: number, hasHandled: boolean): Promise<void> {
    const now = performance.now();
    if (!hasHandled && now - this.savedAtMs < SAVE_EVERY_MS) return;
    await this.store.saveCheckpoint(name, reached);
    this.savedAtMs = now;
  }

  /** Events after a position, and up to where they are complete unless there are as many as were asked for. */
  private async read(
    after: number,
    { limit, head }: { readonly limit: number; readonly head: number },
  ): Promise<{ readonly events: readonly StoredEvent[]; readonly complete: number }> {
    const { ahead } = this;
    this.ahead = undefined;
    // What was read ahead of a batch that failed is let go: that one comes again.
    if (ahead?.after === after) return { events: await ahead.events, complete: ahead.head };
    return { events: await this.store.readAll(after, limit, this.options), complete: head };
  }

  private readAhead(after: number, head: number): void {
    const events = this.store.readAll(after, this.limit, this.options);
    // A failure is met when the batch is asked for.
    events.catch(() => undefined);
    this.ahead = { after, limit: this.limit, head, events };
  }

  private look(look: Look): void {
    if (look.head <= this.position) this.currentAt = Math.max(this.currentAt, look.at);
    else if (look.at - (this.looks.at(-1)?.at ?? 0) >= LOOK_EVERY_MS) this.looks.push(look);
  }

  private adjust(events: readonly StoredEvent[]): void {
    if (events.length === 0) return;
    const characters = events.reduce((sum, event) => sum + (event.payload?.length ?? 0), 0);
    const fitting = Math.floor(BATCH_CHARACTERS / Math.max(1, characters / events.length));
    // A run of small events says little about those to come: grow step by step.
    this.limit = Math.max(1, Math.min(this.options.batch ?? 1000, this.limit * 2, fitting));
  }

  private advance(position: number): void {
    this.position = Math.max(this.position, position);
    while (this.looks.length > 0 && this.looks[0]!.head <= this.position) {
      this.currentAt = Math.max(this.currentAt, this.looks.shift()!.at);
    }
    for (const waiting of this.waiting) {
      if (waiting.position > this.position) continue;
      this.waiting.delete(waiting);
      waiting.resolve();
    }
  }

  private async pause(ms: number, wakeable = true): Promise<void> {
    if (wakeable && this.woken) return;
    const timer = new AbortController();
    const end = (): void => timer.abort();
    if (wakeable) this.wake = end;
    this.abort.signal.addEventListener("abort", end);
    await sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined);
    this.abort.signal.removeEventListener("abort", end);
    this.wake = undefined;
  }

  reached(position: number): Promise<void> {
    if (position <= this.position) return Promise.resolve();
    return new Promise((resolve, reject) => this.waiting.add({ position, resolve, reject }));
  }

  async stop(): Promise<void> {
    this.abort.abort();
    await this.ended;
  }
}

/** Starts a subscription; `listen` registers for hints that something was appended. */
export function subscribe(
  store: SubscribedJournal,
  options: SubscriptionOptions,
  listen: (listener: () => void) => () => void,
  clock: Clock = systemClock,
): Subscription {
  return new Runner(store, options, listen, clock);
}
