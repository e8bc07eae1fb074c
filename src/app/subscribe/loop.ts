/** Something that is done again and again, with failures that are reported and tried again later. */
export interface LoopOptions {
  /** Does what is due and answers in how many milliseconds to look again at the latest. */
  readonly step: () => Promise<number>;
  /** Told of a failure; answers in how many milliseconds to try again. */
  readonly failed: (error: unknown) => Promise<number>;
}

/** A step after the other until stopped; {@link wake} cuts a pause short. */
export class Loop {
  private readonly options: LoopOptions;
  private readonly abort = new AbortController();
  private woken = false;
  private resume: (() => void) | undefined;
  private readonly ended: Promise<void>;

  constructor(options: LoopOptions) {
    this.options = options;
    this.ended = this.run();
  }

  /** Aborted by {@link stop}: for what a step waits on. */
  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** Looks again at once, or after the step under way. */
  wake(): void {
    this.woken = true;
    this.resume?.();
  }

  private async run(): Promise<void> {
    // The owner finishes its constructor first.
    await Promise.resolve();
    while (!this.abort.signal.aborted) {
      this.woken = false;
      let pauseMs: number;
      try {
        pauseMs = await this.options.step();
      } catch (error) {
        if (this.abort.signal.aborted) return;
        pauseMs = await this.options.failed(error).catch(() => 5000);
      }
      if (!this.woken) await this.pause(pauseMs);
    }
  }

  private pause(ms: number): Promise<void> {
    if (this.abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(done, Math.max(1, ms));
      const { signal } = this.abort;
      const self = this;
      function done(): void {
        clearTimeout(timer);
        self.resume = undefined;
        signal.removeEventListener("abort", done);
        resolve();
      }
      this.resume = done;
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /** Ends after the step under way, which is told by {@link signal}. */
  async stop(): Promise<void> {
    this.abort.abort();
    await this.ended;
  }
}

/** Waits for work that somebody else ends, but no longer than until the signal, which rejects. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop!);
    aborted.catch(() => undefined);
  }
}
