import { LakeError } from "#kernel";

/** Which snapshots stay; one that any rule keeps is kept. The newest always is. */
export interface Retention {
  /** The newest so many; at least 1. */
  readonly keepSnapshots: number;
  /** All of the last so many milliseconds. */
  readonly keepAllMs?: number;
  /** The last one of each UTC day for so many days back. */
  readonly keepDailyDays?: number;
  /** The last one of each UTC month for so many months back. */
  readonly keepMonthlyMonths?: number;
}

/** What retention needs to know of a snapshot. */
export interface SnapshotAge {
  readonly id: number;
  /** ISO instant in UTC. */
  readonly committedAt: string;
}

const DAY_MS = 86_400_000;

/** The last snapshot of every period (`2026-01-31`, `2026-01`) from `since` on. */
function lastOfEach(snapshots: readonly SnapshotAge[], digits: number, since: number): number[] {
  const last = new Map<string, number>();
  for (const { id, committedAt } of snapshots) {
    if (Date.parse(committedAt) >= since) last.set(committedAt.slice(0, digits), id);
  }
  return [...last.values()];
}

function monthsBefore(now: Date, months: number): number {
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months + 1, 1);
}

/**
 * Ids that the policy keeps, of snapshots in ascending order. `graceMs`: a snapshot also stays for so long after it ceased to be the newest,
 * because whoever asked for the newest may be reading it. Errors: `lake/bad-retention`.
 */
export function keptByPolicy(
  policy: Retention,
  snapshots: readonly SnapshotAge[],
  now: Date,
  graceMs: number,
): Set<number> {
  if (!Number.isInteger(policy.keepSnapshots) || policy.keepSnapshots < 1) {
    throw new LakeError("invalid-input", "lake/bad-retention", "Keep at least one snapshot.");
  }
  const kept = new Set(snapshots.slice(-policy.keepSnapshots).map((s) => s.id));
  const all = now.getTime() - (policy.keepAllMs ?? 0);
  const cutoffMs = now.getTime() - graceMs;
  for (const [i, { id, committedAt }] of snapshots.entries()) {
    if (Date.parse(committedAt) > all) kept.add(id);
    const successor = snapshots[i + 1];
    if (successor === undefined || Date.parse(successor.committedAt) > cutoffMs) kept.add(id);
  }
  const { keepDailyDays: days = 0, keepMonthlyMonths: months = 0 } = policy;
  const firstDay = Math.floor(now.getTime() / DAY_MS) * DAY_MS - (days - 1) * DAY_MS;
  if (days > 0) for (const id of lastOfEach(snapshots, 10, firstDay)) kept.add(id);
  if (months > 0) for (const id of lastOfEach(snapshots, 7, monthsBefore(now, months))) kept.add(id);
  return kept;
}
