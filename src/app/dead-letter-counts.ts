import type { ReceiverPorts } from "#ingestion";
import type { DeadLetterCount } from "#serving";

/** Counts what this process kept as dead letters, whoever brought it, for its metrics. */
export class DeadLetterCounts {
  private readonly counts = new Map<string, DeadLetterCount>();

  /** The same ports, with their dead letters counted once they are kept. */
  counted(ports: ReceiverPorts): ReceiverPorts {
    return {
      ...ports,
      deadLetter: async (letter) => {
        await ports.deadLetter(letter);
        this.add(letter.source, letter.code);
      },
    };
  }

  /** Counts one more of a source, by the reason for which it was refused. */
  private add(source: string, code: string): void {
    const key = JSON.stringify([source, code]);
    const count = (this.counts.get(key)?.count ?? 0) + 1;
    this.counts.set(key, { source, code, count });
  }

  /** All counts since the process began; what was never refused has none. */
  all(): readonly DeadLetterCount[] {
    return [...this.counts.values()];
  }
}
