import type { WaitingClock } from "./clock.js";

/** Lets requests through: at most `limit` at once, their starts `minIntervalMs` apart, none while the server asked for a pause. */
export class Gate {
  private readonly limit: number;
  private readonly minIntervalMs: number;
  private readonly clock: WaitingClock;
  private running = 0;
  private nextStart = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(limit: number, minIntervalMs: number, clock: WaitingClock) {
    this.limit = limit;
    this.minIntervalMs = minIntervalMs;
    this.clock = clock;
  }

  /** Resolves when a request may start, with the function to call when it has ended. */
  async enter(signal: AbortSignal | undefined): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.running < this.limit) this.running++;
    else await this.turn(signal);
    try {
      await this.untilStart(signal);
    } catch (error) {
      this.leave();
      throw error;
    }
    let left = false;
    return () => {
      if (!left) this.leave();
      left = true;
    };
  }

  /** Lets nothing start before `ms` from now. */
  pause(ms: number): void {
    this.nextStart = Math.max(this.nextStart, this.clock.now().getTime() + ms);
  }

  private turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const admitted = (): void => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      const stop = (): void => {
        this.waiting.splice(this.waiting.indexOf(admitted), 1);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.waiting.push(admitted);
    });
  }

  private async untilStart(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const now = this.clock.now().getTime();
      const wait = this.nextStart - now;
      if (wait <= 0) {
        this.nextStart = now + this.minIntervalMs;
        return;
      }
      await this.clock.sleep(wait, signal);
    }
  }

  /** Hands the place to the next in line. */
  private leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.running--;
    else next();
  }
}
