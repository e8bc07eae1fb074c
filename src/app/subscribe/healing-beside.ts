import type { Healer } from "./healer.js";

const RETRY_MS = 2000;
const MOST_RETRY_MS = 300_000;

/** Has a {@link Healer} work beside its owner, who goes on meanwhile: a run that makes up for what is missing can take hours. */
export class HealingBeside {
  private readonly healer: Healer;
  private readonly signal: AbortSignal;
  private readonly onError: ((error: unknown) => void) | undefined;
  private underWay: Promise<void> | undefined;
  private failures = 0;
  private againAtMs = 0;

  /** `signal` is the healer's; `onError` is told of what fails beside the run, which is tried again. */
  constructor(healer: Healer, signal: AbortSignal, onError: ((error: unknown) => void) | undefined) {
    this.healer = healer;
    this.signal = signal;
    this.onError = onError;
  }

  get isUnderWay(): boolean {
    return this.underWay !== undefined;
  }

  /** Begins to catch up when something may be missing, unless that is under way or put off. */
  begin(): void {
    if (this.isUnderWay || performance.now() < this.againAtMs) return;
    this.underWay = this.heal().finally(() => {
      this.underWay = undefined;
    });
  }

  private async heal(): Promise<void> {
    try {
      await this.healer.heal(undefined);
      this.failures = 0;
    } catch (error) {
      if (this.signal.aborted) return;
      this.onError?.(error);
      this.againAtMs = performance.now() + Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** this.failures++);
    }
  }

  /** Resolves when nothing is under way; after the signal that is soon. */
  async ended(): Promise<void> {
    await this.underWay;
  }
}
