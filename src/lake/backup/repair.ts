import { rm } from "node:fs/promises";
import { isLakeError, LakeError } from "#kernel";
import type { ObjectStore } from "#storage";
import { isStorageNotFound } from "../not-found.js";
import { type RemovedSnapshots, readRemoved } from "../removed.js";
import { decodeSnapshot, filesOf, type Snapshot, snapshotIdOf } from "../snapshot.js";
import { copyObject, digestOf, sameDigest } from "./copy.js";
import { type BackedUpObject, newestGeneration } from "./generation.js";

/** What a repair brought back. */
export interface RepairReport {
  readonly generation: number;
  /** Objects that were missing or damaged in the lake and are whole again. */
  readonly mended: readonly string[];
  /** Objects that are damaged in the lake and lost in the backup as well. */
  readonly lost: readonly string[];
}

/** The lake's own manifest, or undefined when it is missing or damaged. */
async function standing(lake: ObjectStore, key: string): Promise<Snapshot | undefined> {
  try {
    return decodeSnapshot(await lake.get(key), key);
  } catch (error) {
    if (isStorageNotFound(error) || isLakeError(error, "lake/corrupt-snapshot")) return undefined;
    throw error;
  }
}

function otherHistory(lake: ObjectStore, id: number): LakeError {
  return new LakeError(
    "conflict",
    "lake/other-history",
    `Snapshot ${id} of '${lake.location}' is not the one in the backup: the backup is of another lake.`,
    { details: { id } },
  );
}

/** Keys of the backup that the lake should still have: what the snapshots need that were not removed on purpose. */
async function wanted(
  target: ObjectStore,
  lake: ObjectStore,
  objects: readonly BackedUpObject[],
  removed: RemovedSnapshots,
): Promise<Set<string>> {
  const keys = new Set<string>();
  for (const object of objects) {
    const id = snapshotIdOf(object.key);
    if (id === undefined || removed.reasonOf(id) !== undefined) continue;
    const backedUp = decodeSnapshot(await target.get(object.stored), object.key);
    const own = await standing(lake, object.key);
    if (own !== undefined && own.commitId !== backedUp.commitId) throw otherHistory(lake, id);
    keys.add(object.key);
    for (const file of filesOf(backedUp)) keys.add(file.key);
    for (const view of Object.values(backedUp.views)) keys.add(view.definition);
  }
  return keys;
}

/**
 * Mends a lake in place from the newest backup: every manifest, data file and definition that the backed-up snapshots need and that is
 * missing or damaged is brought back. What was committed after the backup is left as it is. Safe to run again.
 * Errors: `lake/other-history`, `lake/no-such-backup`, `lake/damaged-backup`.
 */
export async function repairFromBackup(target: ObjectStore, lake: ObjectStore): Promise<RepairReport> {
  const generation = await newestGeneration(target);
  const keys = await wanted(target, lake, generation.objects, await readRemoved(lake));
  const staging = await lake.stagingDirectory(`repair-${process.pid}`);
  const mended: string[] = [];
  const lost: string[] = [];
  // Files before manifests: a manifest that comes back is readable at once.
  const objects = generation.objects.filter(({ key }) => keys.has(key));
  objects.sort(
    (a, b) => Number(snapshotIdOf(a.key) !== undefined) - Number(snapshotIdOf(b.key) !== undefined),
  );
  try {
    for (const object of objects) {
      const found = await digestOf(lake, object.key);
      if (found !== undefined && sameDigest(found, object)) continue;
      await lake.delete(object.key);
      const to = { store: lake, key: object.key, staging };
      const whole = await copyObject({ store: target, key: object.stored }, to, object);
      (whole ? mended : lost).push(object.key);
    }
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return { generation: generation.sequence, mended, lost };
}
