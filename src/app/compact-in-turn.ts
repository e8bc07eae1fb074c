import { isLakeError } from "#kernel";
import { type CompactOptions, compact, compactionDue, type Lake, type Snapshot } from "#lake";
import { withLease } from "#runs";

/** How to compact where others may be about to. */
export interface CompactInTurnOptions extends CompactOptions {
  /** How long to wait for another process that is at it. Default 0: that process does the work. */
  readonly waitMs?: number;
}

/**
 * {@link compact} by one process of a lake at a time. Without the lease equal rewrites would be made twice and one of them dropped. Gives the
 * snapshots made, undefined when another process is at work. Errors: those of `compact`; `runs/lease-held` when it was waited for in vain.
 */
export async function compactInTurn(
  lake: Lake,
  options: CompactInTurnOptions = {},
): Promise<readonly Snapshot[] | undefined> {
  const { waitMs = 0, ...rest } = options;
  const head = await lake.history.latest();
  // Most commits make nothing due: the lease is not even asked for.
  if (head === undefined || !compactionDue(head, rest)) return [];
  const { store, clock } = lake;
  try {
    return await withLease({ store, clock, name: "compact", purpose: "compaction", waitMs }, (lost) => {
      const signal = rest.signal === undefined ? lost : AbortSignal.any([rest.signal, lost]);
      return compact(lake, { ...rest, signal });
    });
  } catch (error) {
    if (waitMs === 0 && isLakeError(error, "runs/lease-held")) return undefined;
    throw error;
  }
}
