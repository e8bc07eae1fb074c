import { LakeError } from "#kernel";
import type { Lake } from "../lake.js";
import { filesOf, snapshotKey } from "../snapshot.js";

/** What to keep. */
export interface VacuumOptions {
  /** The newest snapshots that stay readable; at least 1. */
  readonly keepSnapshots: number;
  /**
   * Files younger than this are never removed, because a writer or reader at work may need them. 0 is for a lake that
   * nobody else has open.
   */
  readonly graceMs: number;
  readonly dryRun?: boolean;
}

/** What was (or would be) removed. */
export interface VacuumReport {
  readonly snapshotsRemoved: number;
  readonly filesRemoved: number;
  readonly bytesRemoved: number;
  readonly oldestSnapshot: number | undefined;
}

const DATA_FOLDERS = ["resources/", "views/", "landing/", "staging/"];

/** Object keys that the kept snapshots need. */
async function neededKeys(lake: Lake, ids: readonly number[]): Promise<Set<string>> {
  const needed = new Set<string>();
  for (const id of ids) {
    const snapshot = await lake.history.at(id);
    for (const file of filesOf(snapshot)) needed.add(file.key);
    for (const view of Object.values(snapshot.views)) needed.add(view.definition);
  }
  return needed;
}

/**
 * Removes old snapshots, then every data file, landing and staged file that no kept snapshot needs and that is older than the
 * grace period. Errors: `lake/bad-retention`; a damaged snapshot stops it before anything is removed.
 */
export async function vacuum(lake: Lake, options: VacuumOptions): Promise<VacuumReport> {
  if (!Number.isInteger(options.keepSnapshots) || options.keepSnapshots < 1) {
    throw new LakeError("invalid-input", "lake/bad-retention", "Keep at least one snapshot.");
  }
  const cutoffMs = lake.clock.now().getTime() - options.graceMs;
  const ids = await lake.history.ids();
  const old = ids.slice(0, -options.keepSnapshots);
  const expired: number[] = [];
  for (const id of old) {
    const snapshot = await lake.history.at(id);
    if (Date.parse(snapshot.committedAt) > cutoffMs) break;
    expired.push(id);
  }
  const kept = ids.slice(expired.length);
  const needed = await neededKeys(lake, kept);
  let filesRemoved = 0;
  let bytesRemoved = 0;
  if (options.dryRun !== true) for (const id of expired) await lake.store.delete(snapshotKey(id));
  for (const folder of DATA_FOLDERS) {
    for await (const entry of lake.store.list(folder)) {
      if (needed.has(entry.key) || entry.modifiedAtMs > cutoffMs || lake.isOwn(entry.key)) continue;
      filesRemoved++;
      bytesRemoved += entry.sizeBytes;
      if (options.dryRun !== true) await lake.store.delete(entry.key);
    }
  }
  // Removing files touched their folders just now, so the cutoff is taken anew.
  if (options.dryRun !== true) {
    await lake.store.prune(DATA_FOLDERS, lake.clock.now().getTime() - options.graceMs);
  }
  return { snapshotsRemoved: expired.length, filesRemoved, bytesRemoved, oldestSnapshot: kept[0] };
}
