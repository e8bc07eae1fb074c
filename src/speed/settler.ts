import { setTimeout as sleep } from "node:timers/promises";
import type { LiveTypes } from "./live-types.js";

/** Changes that may wait before those who bring more wait too: a read settles what waits for its view. */
const MOST_CHANGES = 8000;
/** Bytes of their texts, which are in memory. */
const MOST_BYTES = 48 * 2 ** 20;
/** Changes that nobody asks for wait for so long; statements over many of them cost little more than over few. */
const PAUSE_MS = 1000;
/** At most every fourth part of the time goes into settling what nobody asks for. */
const REST = 3;

/** Puts changes into the live tables in the background, many at once, so that a read finds little left to do. */
export class Settler {
  private readonly types: Pick<LiveTypes, "settleAll" | "backlog">;
  private readonly onError: ((error: unknown) => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private pauseMs = PAUSE_MS;
  private failed = false;
  private readonly stopped = new AbortController();

  constructor(types: Settler["types"], onError?: (error: unknown) => void) {
    this.types = types;
    this.onError = onError;
  }

  /** Why what was taken does not get into the tables; undefined when all is well. Reads that need it fail meanwhile. */
  get problem(): string | undefined {
    return this.failed ? "changes cannot be made into live rows" : undefined;
  }

  /** To be called when changes were taken. Resolves when more may be; what fails is tried again. */
  async changed(): Promise<void> {
    while (this.isFull() && !this.stopped.signal.aborted) {
      await this.settle();
      if (this.failed)
        await sleep(PAUSE_MS, undefined, { signal: this.stopped.signal }).catch(() => undefined);
    }
    this.later();
  }

  private isFull(): boolean {
    const { changes, bytes } = this.types.backlog;
    return changes >= MOST_CHANGES || bytes >= MOST_BYTES;
  }

  private later(): void {
    const isNeeded = this.types.backlog.changes > 0 && !this.stopped.signal.aborted;
    if (this.timer !== undefined || !isNeeded) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.settle();
    }, this.pauseMs);
    this.timer.unref();
  }

  /** Puts all that waits into the tables now, or at least tries. */
  settle(): Promise<void> {
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async run(): Promise<void> {
    const started = performance.now();
    try {
      await this.types.settleAll();
      this.failed = false;
    } catch (error) {
      this.failed = true;
      this.onError?.(error);
    }
    this.pauseMs = Math.max(PAUSE_MS, REST * (performance.now() - started));
    this.later();
  }

  /** Ends the work in the background, after what is under way. */
  async stop(): Promise<void> {
    this.stopped.abort();
    clearTimeout(this.timer);
    await this.running;
  }
}
