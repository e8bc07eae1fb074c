import { LakeError } from "#kernel";
import type { ObjectStore } from "#storage";

/** Why snapshots are no longer readable. */
export type RemovalReason = "retention" | "erasure";

/** Snapshots `from` to `to`, both ends included, that were removed. */
export interface RemovedRange {
  readonly from: number;
  readonly to: number;
  readonly reason: RemovalReason;
}

/**
 * Which snapshots were removed. It is recorded before the first of them goes, so that a writer that knows only an older head can tell that
 * the number it just took was somebody else's before: numbers are never given twice.
 */
export class RemovedSnapshots {
  /** Number of the record this was read from; 0 when there is none. */
  readonly sequence: number;
  readonly ranges: readonly RemovedRange[];

  constructor(sequence: number, ranges: readonly RemovedRange[]) {
    this.sequence = sequence;
    this.ranges = ranges;
  }

  /** Why this snapshot was removed, or undefined when it was not. */
  reasonOf(id: number): RemovalReason | undefined {
    return this.ranges.find((range) => id >= range.from && id <= range.to)?.reason;
  }
}

/** Where the records stand; the newest one counts and repeats all that earlier ones said. */
export const REMOVED_PREFIX = "removed/";
/** Manifests of removed snapshots, kept until the grace period of their readers is over. */
export const REMOVED_MANIFESTS = "removed/manifests/";

const MOST_RACES = 100;

function recordKey(sequence: number): string {
  return `${REMOVED_PREFIX}${String(sequence).padStart(12, "0")}.json`;
}

async function recordSequences(store: ObjectStore): Promise<number[]> {
  const sequences: number[] = [];
  for await (const entry of store.list(REMOVED_PREFIX)) {
    const match = /^removed\/(\d{12})\.json$/.exec(entry.key);
    if (match !== null) sequences.push(Number(match[1]));
  }
  return sequences.sort((a, b) => a - b);
}

/** What is recorded as removed. */
export async function readRemoved(store: ObjectStore): Promise<RemovedSnapshots> {
  const newest = (await recordSequences(store)).at(-1);
  if (newest === undefined) return new RemovedSnapshots(0, []);
  const text = Buffer.from(await store.get(recordKey(newest))).toString("utf8");
  const { ranges } = JSON.parse(text) as { ranges: RemovedRange[] };
  return new RemovedSnapshots(newest, ranges);
}

function toRanges(reasons: ReadonlyMap<number, RemovalReason>): RemovedRange[] {
  const ranges: RemovedRange[] = [];
  for (const [id, reason] of [...reasons].sort(([a], [b]) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last.to === id - 1 && last.reason === reason) {
      ranges[ranges.length - 1] = { ...last, to: id };
    } else ranges.push({ from: id, to: id, reason });
  }
  return ranges;
}

/** Ranges without `back`, and with `added`. */
export function changedRanges(
  removed: RemovedSnapshots,
  added: ReadonlyMap<number, RemovalReason>,
  back: ReadonlySet<number>,
): RemovedRange[] {
  const reasons = new Map<number, RemovalReason>();
  for (const { from, to, reason } of removed.ranges) {
    for (let id = from; id <= to; id++) if (!back.has(id)) reasons.set(id, reason);
  }
  for (const [id, reason] of added) reasons.set(id, reason);
  return toRanges(reasons);
}

/**
 * Records these snapshots as removed, and those in `back` as still readable after all. Durable when it returns; earlier records go.
 * Errors: `lake/too-much-contention`.
 */
export async function recordRemoved(
  store: ObjectStore,
  added: ReadonlyMap<number, RemovalReason>,
  back: ReadonlySet<number> = new Set(),
): Promise<void> {
  for (let race = 0; race < MOST_RACES; race++) {
    const removed = await readRemoved(store);
    const ranges = changedRanges(removed, added, back);
    const bytes = Buffer.from(JSON.stringify({ version: 1, ranges }));
    if ((await store.putIfAbsent(recordKey(removed.sequence + 1), bytes)) !== "created") continue;
    for (const old of await recordSequences(store)) {
      if (old <= removed.sequence) await store.delete(recordKey(old));
    }
    return;
  }
  throw new LakeError(
    "conflict",
    "lake/too-much-contention",
    "Too many processes remove snapshots at once; run the command again.",
    { retryable: true },
  );
}
