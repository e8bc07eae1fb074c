import type { Healer } from "./healer.js";

const RETRY_MS = 2000;
const MOST_RETRY_MS = 300_000;

/** What healing beside its owner takes. */
export interface HealingOptions {
  /** The healer's. */
  readonly signal: AbortSignal;
  /** Told of what fails beside the run, which is tried again. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Called when there was something to do and it was done, or failed. */
  readonly done: () => void;
}

/** Has a {@link Healer} work beside its owner, who goes on meanwhile: a run that makes up for what is missing can take hours. */
export class HealingBeside {
  private readonly healer: Healer;
  private readonly options: HealingOptions;
  private underWay: Promise<void> | undefined;
  private failures = 0;
  private againAtMs = 0;

  constructor(healer: Healer, options: HealingOptions) {
    this.healer = healer;
    this.options = options;
  }

  get isUnderWay(): boolean {
    return this.underWay !== undefined;
  }

  /** Begins to catch up when something may be missing, or the last time is `everyMs` ago, unless that is under way or put off. */
  begin(everyMs?: number): void {
    if (this.isUnderWay || performance.now() < this.againAtMs) return;
    this.underWay = this.heal(everyMs).then((didSomething) => {
      this.underWay = undefined;
      if (didSomething) this.options.done();
    });
  }

  private async heal(everyMs: number | undefined): Promise<boolean> {
    try {
      const didSomething = await this.healer.heal(everyMs);
      this.failures = 0;
      return didSomething;
    } catch (error) {
      if (this.options.signal.aborted) return false;
      this.options.onError?.(error);
      this.againAtMs = performance.now() + Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** this.failures++);
      return true;
    }
  }

  /** Resolves when nothing is under way; after the signal that is soon. */
  async ended(): Promise<void> {
    await this.underWay;
  }
}
