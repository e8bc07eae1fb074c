import { setTimeout as sleep } from "node:timers/promises";
import type { Lake } from "../lake.js";
import type { Snapshot } from "../snapshot.js";
import { compact } from "./compact.js";

/** How to compact in the background. */
export interface KeepCompactOptions {
  /** Ends the work: at once when it waits, at the next key range when it rewrites. */
  readonly signal: AbortSignal;
  /** Pause between two looks at the newest snapshot. Default a minute. */
  readonly intervalMs?: number;
  /** Pause after a failure, doubled with each further one up to 32 times. Default `intervalMs`. */
  readonly retryMs?: number;
  /** Does one round and gives the snapshots made, undefined when it is another process's turn. Default: {@link compact}. */
  readonly compact?: (options: { readonly signal: AbortSignal }) => Promise<readonly Snapshot[] | undefined>;
  readonly onCompacted?: (snapshots: readonly Snapshot[]) => void;
  /** Told of every failure; the work goes on. */
  readonly onError?: (error: unknown) => void;
}

const MINUTE_MS = 60_000;
const MOST_DOUBLINGS = 5;

/**
 * Compacts by policy whenever something new was committed, until the signal aborts; then it resolves. Readers are not disturbed: what they
 * read stays until a vacuum, and a rewrite is committed only if its inputs still stand. Memory is bounded by one key range. Several
 * processes may do this at once: one of two equal rewrites is dropped, and with a `compact` that takes turns none is made twice.
 */
export async function keepCompact(lake: Lake, options: KeepCompactOptions): Promise<void> {
  const { signal, intervalMs = MINUTE_MS, retryMs = intervalMs } = options;
  let settled: number | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const head = await lake.history.latest();
      if (head !== undefined && head.id !== settled) {
        const made = await (options.compact ?? ((round) => compact(lake, round)))({ signal });
        if (made !== undefined && made.length > 0) options.onCompacted?.(made);
        // Something committed meanwhile is looked at in the next round, and what is another's turn now.
        settled = made === undefined ? undefined : (made.at(-1)?.id ?? head.id);
      }
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures = Math.min(failures + 1, MOST_DOUBLINGS);
      options.onError?.(error);
    }
    const pauseMs = failures === 0 ? intervalMs : retryMs * 2 ** failures;
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}
