import type { ReceiverPorts } from "#ingestion";
import type { Clock } from "#kernel";

/** So many dead letters of a source are kept in an hour: one that sends nothing usable must not fill the disk. */
export const DEAD_LETTERS_AN_HOUR = 1000;
const HOUR_MS = 3_600_000;

/** The same ports, which keep no more dead letters of a source than {@link DEAD_LETTERS_AN_HOUR}, the first ones; the rest are like them. */
export function limitedLetters(ports: ReceiverPorts, clock: Clock): ReceiverPorts {
  const kept = new Map<string, { readonly sinceMs: number; count: number }>();
  return {
    ...ports,
    deadLetter: async (letter) => {
      const nowMs = clock.now().getTime();
      const known = kept.get(letter.source);
      const hour =
        known === undefined || Math.abs(nowMs - known.sinceMs) >= HOUR_MS
          ? { sinceMs: nowMs, count: 0 }
          : known;
      kept.set(letter.source, hour);
      if (++hour.count <= DEAD_LETTERS_AN_HOUR) await ports.deadLetter(letter);
    },
  };
}
