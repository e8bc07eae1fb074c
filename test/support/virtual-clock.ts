/** A clock that stands still until somebody waits on it: waiting moves it on at once. */
export class VirtualClock {
  /** Every wait asked for, in milliseconds. */
  readonly waits: number[] = [];
  private time: number;

  constructor(start = "2026-11-21T04:00:00.000Z") {
    this.time = Date.parse(start);
  }

  now(): Date {
    return new Date(this.time);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    // Lets what is under way come to rest first, so that waits come in the order of their causes.
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    this.waits.push(ms);
    this.time += ms;
  }

  /** Moves the clock on without anybody waiting. */
  advance(ms: number): void {
    this.time += ms;
  }
}
