import { LakeError } from "#kernel";
import type { ObjectStore } from "#storage";
import { generationKey, generations, readGeneration } from "./generation.js";

/** What was removed from a backup target. */
export interface PruneReport {
  readonly generationsRemoved: readonly number[];
  readonly objectsRemoved: number;
  readonly bytesRemoved: number;
}

/**
 * Removes all backups but the newest `keep` of a target, and what only they needed. Run it when no backup to the same place is under way:
 * what such a one has copied so far would go too (it would notice on its next run). Errors: `lake/bad-retention`.
 */
export async function pruneBackups(target: ObjectStore, keep: number): Promise<PruneReport> {
  if (!Number.isInteger(keep) || keep < 1) {
    throw new LakeError("invalid-input", "lake/bad-retention", "Keep at least one backup.");
  }
  const all = await generations(target);
  const needed = new Set<string>();
  for (const sequence of all.slice(-keep)) {
    const generation = await readGeneration(target, sequence);
    for (const { stored } of [...generation.objects, ...generation.extras]) needed.add(stored);
  }
  const old = all.slice(0, -keep);
  for (const sequence of old) await target.delete(generationKey(sequence));
  let bytesRemoved = 0;
  const gone: string[] = [];
  for (const folder of ["objects/", "content/"]) {
    for await (const { key, sizeBytes } of target.list(folder)) {
      if (needed.has(key)) continue;
      gone.push(key);
      bytesRemoved += sizeBytes;
    }
  }
  await target.deleteMany(gone);
  return { generationsRemoved: old, objectsRemoved: gone.length, bytesRemoved };
}
