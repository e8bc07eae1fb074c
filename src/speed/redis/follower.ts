import { setTimeout as sleep } from "node:timers/promises";
import { type EventStore, journalSetBack, type Subscription } from "#events";
import { type Clock, systemClock } from "#kernel";
import { CHANGES_PREFIX } from "#landing";
import type { FollowRequest } from "../live-store.js";
import { NOT_FOLLOWED, type NotFollowed, type StreamReader } from "./stream-reader.js";

/** What is followed. */
export interface FollowerOptions extends FollowRequest {
  readonly journal: EventStore;
  readonly stream: StreamReader;
  readonly clock?: Clock;
}

const BATCH = 2000;
/** How long the stream is waited on at a time. */
const WAIT_MS = 100;
/** The journal's head is compared this often. */
const LOOK_EVERY_MS = 50;
/** When the stream gives nothing although the journal has more for so long, the journal is read. */
const SILENT_MS = 250;
/** And so when it gives something, but too late. */
const LATE_MS = 2000;
/** How often a reader of the journal tries the stream again. */
const PROBE_MS = 250;

/**
 * Follows the stream in Redis while it gives what the journal has, and the journal itself while it does not; which of the two is not to be
 * told from what is handed over.
 */
export class Follower implements Subscription {
  position: number;
  currentAt = 0;
  /** Why the journal is read instead of the stream; undefined while the stream is followed. */
  degraded: string | undefined;
  private readonly options: FollowerOptions;
  private readonly clock: Clock;
  private readonly stopping = new AbortController();
  private readonly waiting = new Set<{ position: number; resolve(): void; reject(error: unknown): void }>();
  private direct: Subscription | undefined;
  private failing = false;
  private lookedAt = 0;
  /** A head of the journal that was not reached yet when it was seen, and the journal's time of that look. */
  private target: { readonly head: number; readonly seenAt: number; readonly at: number } | undefined;
  private readonly ended: Promise<void>;

  constructor(options: FollowerOptions) {
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.position = options.from;
    this.ended = this.run().finally(() => {
      const error = new Error("the subscription has ended");
      for (const { reject } of this.waiting) reject(error);
    });
  }

  private get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      this.target = undefined;
      const reason = await this.followStream();
      if (this.stopped) return;
      this.degraded = NOT_FOLLOWED[reason];
      await this.followJournal();
      this.degraded = undefined;
    }
  }

  /** Hands over what the stream gives; answers why it no longer can. */
  private async followStream(): Promise<NotFollowed> {
    const { stream } = this.options;
    while (!this.stopped) {
      try {
        await this.look();
        const ranges = await stream.after(this.position, WAIT_MS);
        if (typeof ranges === "string") return ranges;
        for (const range of ranges) {
          if (range.upTo <= this.position) continue;
          const events = await stream.open(range, this.position);
          if (typeof events === "string") return events;
          if (events.length > 0) await this.options.handle(events);
          this.advance(range.upTo);
        }
        if (this.isLate(ranges.length === 0)) return "behind";
        this.recovered();
      } catch (error) {
        await this.failed(error);
      }
    }
    return "silent";
  }

  /** Compares with the journal's head, now and then. */
  private async look(): Promise<void> {
    const now = performance.now();
    if (now - this.lookedAt < LOOK_EVERY_MS) return;
    this.lookedAt = now;
    const at = this.clock.now().getTime();
    const head = await this.options.journal.head();
    if (head < this.position) throw journalSetBack(head, this.position);
    if (head === this.position) this.currentAt = Math.max(this.currentAt, at);
    else this.target ??= { head, seenAt: now, at };
  }

  private isLate(gaveNothing: boolean): boolean {
    if (this.target === undefined) return false;
    return performance.now() - this.target.seenAt > (gaveNothing ? SILENT_MS : LATE_MS);
  }

  private recovered(): void {
    if (this.failing) this.options.onRecovered();
    this.failing = false;
  }

  private async failed(error: unknown): Promise<void> {
    this.failing = true;
    this.options.onError(error);
    await this.pause(PROBE_MS);
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }

  /** Hands over what the journal gives until the stream can be followed from there. */
  private async followJournal(): Promise<void> {
    const { journal, stream, handle, onError, onRecovered } = this.options;
    const direct = journal.subscribe({
      streamPrefix: CHANGES_PREFIX,
      from: this.position,
      batch: BATCH,
      handle: async (events) => {
        await handle(events);
        this.advance(events.at(-1)!.position);
      },
      onError,
      onRecovered,
    });
    this.direct = direct;
    for (const { position } of this.waiting) this.expect(direct, position);
    while (!this.stopped) {
      await this.pause(PROBE_MS);
      this.advance(direct.position);
      this.currentAt = Math.max(this.currentAt, direct.currentAt);
      if (!(await stream.reaches(direct.position))) continue;
      break;
    }
    await direct.stop();
    this.direct = undefined;
    this.advance(direct.position);
  }

  /** Tells of a position as soon as the journal's reader has reached it, though no change may stand there. */
  private expect(direct: Subscription, position: number): void {
    direct.reached(position).then(
      () => this.advance(direct.position),
      () => undefined,
    );
  }

  private advance(position: number): void {
    this.position = Math.max(this.position, position);
    // Where changes never cease no look finds the head reached: what counts is that it was reached since.
    if (this.target !== undefined && this.target.head <= this.position) {
      this.currentAt = Math.max(this.currentAt, this.target.at);
      this.target = undefined;
    }
    for (const waiting of this.waiting) {
      if (waiting.position > this.position) continue;
      this.waiting.delete(waiting);
      waiting.resolve();
    }
  }

  reached(position: number): Promise<void> {
    if (position <= this.position) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiting.add({ position, resolve, reject });
      if (this.direct !== undefined) this.expect(this.direct, position);
    });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.ended;
  }
}
