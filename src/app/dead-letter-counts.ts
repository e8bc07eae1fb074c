import type { DeadLetterCount } from "#serving";

/** Counts the notifications that this process kept as dead letters, for its metrics. */
export class DeadLetterCounts {
  private readonly counts = new Map<string, DeadLetterCount>();

  /** Counts one more of a source, by the reason for which it was refused. */
  add(source: string, code: string): void {
    const key = JSON.stringify([source, code]);
    const count = (this.counts.get(key)?.count ?? 0) + 1;
    this.counts.set(key, { source, code, count });
  }

  /** All counts since the process began; what was never refused has none. */
  all(): readonly DeadLetterCount[] {
    return [...this.counts.values()];
  }
}
