import { rm } from "node:fs/promises";
import { LakeError, mapConcurrently } from "#kernel";
import { isRemote, type ObjectStore } from "#storage";
import { isStorageNotFound } from "../not-found.js";
import { RESTORING_KEY } from "../restoring.js";
import { decodeSnapshot, filesOf, snapshotIdOf } from "../snapshot.js";
import { requireSpace } from "../space.js";
import { copyObject, copyOut, digestOf, sameDigest } from "./copy.js";
import {
  type BackedUpObject,
  type BackupGeneration,
  generations,
  newestGeneration,
  readGeneration,
} from "./generation.js";

/** What to restore. */
export interface RestoreBackupOptions {
  /** Number of the backup; default: the newest. */
  readonly generation?: number;
  /** Restore what is whole even when parts of the backup are lost; the report names them. */
  readonly acceptLoss?: boolean;
  /** Local path for a file that was kept with the lake; undefined leaves it out. */
  readonly extraTo?: (name: string) => string | undefined;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** What a restore did. */
export interface RestoreBackupReport {
  readonly generation: number;
  /** ISO instant at which the backup was made. */
  readonly createdAt: string;
  readonly snapshots: readonly number[];
  readonly objects: number;
  readonly bytes: number;
  readonly extras: readonly string[];
  /** Objects of the backup that are missing or damaged, by their key in the lake. */
  readonly lost: readonly string[];
  /** Snapshots that could not be restored because they need a lost object. */
  readonly lostSnapshots: readonly number[];
}

const SIDE_BY_SIDE = 3;
/** What may stand in an empty place: work at hand, and what proved that the store keeps its promises. */
const NO_DATA = ["staging/", "work/", "probe/"];

async function chosen(target: ObjectStore, number: number | undefined): Promise<BackupGeneration> {
  const generation =
    number === undefined ? await newestGeneration(target) : await readGeneration(target, number);
  await checkErasures(target, generation);
  return generation;
}

/** An older backup holds persons who were erased since: bringing it back would undo the erasure. */
async function checkErasures(target: ObjectStore, generation: BackupGeneration): Promise<void> {
  const newest = (await generations(target)).at(-1);
  if (newest === undefined || newest <= generation.sequence) return;
  const known = new Set(generation.erasures);
  const later = (await readGeneration(target, newest)).erasures.filter((id) => !known.has(id));
  if (later.length === 0) return;
  throw new LakeError(
    "conflict",
    "lake/backup-before-erasure",
    `Backup ${generation.sequence} holds persons who were erased later (${later.length} erasures); restore a newer one (--generation ${newest}).`,
    { details: { generation: generation.sequence, newest } },
  );
}

/** Marks the lake as being restored from this very backup. Errors: `lake/not-empty`. */
async function claim(lake: ObjectStore, generation: BackupGeneration): Promise<void> {
  const mark = JSON.stringify({
    version: 1,
    generation: generation.sequence,
    createdAt: generation.createdAt,
  });
  const standing = await lake.get(RESTORING_KEY).catch((error: unknown) => {
    if (isStorageNotFound(error)) return undefined;
    throw error;
  });
  if (standing !== undefined && Buffer.from(standing).toString("utf8") === mark) return;
  for await (const { key } of lake.list("")) {
    if (NO_DATA.some((folder) => key.startsWith(folder))) continue;
    throw new LakeError(
      "conflict",
      "lake/not-empty",
      `'${lake.location}' is not empty (it has '${key}'); restore into an empty place, or mend this lake with --repair.`,
      { details: { key } },
    );
  }
  await lake.putIfAbsent(RESTORING_KEY, Buffer.from(mark));
}

/** Brings one object over unless it is there already. False when the backup has lost it. */
async function bring(
  target: ObjectStore,
  lake: ObjectStore,
  object: BackedUpObject,
  staging: string,
): Promise<boolean> {
  const present = await digestOf(lake, object.key);
  if (present !== undefined) {
    if (sameDigest(present, object)) return true;
    await lake.delete(object.key);
  }
  return copyObject({ store: target, key: object.stored }, { store: lake, key: object.key, staging }, object);
}

/** Ids of snapshots that need any of the lost objects. */
async function snapshotsWithout(
  target: ObjectStore,
  generation: BackupGeneration,
  lost: ReadonlySet<string>,
): Promise<number[]> {
  const found: number[] = [];
  if (lost.size === 0) return found;
  for (const object of generation.objects) {
    const id = snapshotIdOf(object.key);
    if (id === undefined) continue;
    const bytes = lost.has(object.key) ? undefined : await target.get(object.stored).catch(() => undefined);
    if (bytes === undefined) {
      found.push(id);
      continue;
    }
    const snapshot = decodeSnapshot(bytes, object.key);
    const keys = [
      ...filesOf(snapshot).map((f) => f.key),
      ...Object.values(snapshot.views).map((v) => v.definition),
    ];
    if (keys.some((key) => lost.has(key))) found.push(id);
  }
  return found.sort((a, b) => a - b);
}

function lossError(
  generation: BackupGeneration,
  lost: readonly string[],
  snapshots: readonly number[],
): LakeError {
  return new LakeError(
    "corrupt-data",
    "lake/damaged-backup",
    `Backup ${generation.sequence} has lost ${lost.length} objects, for example '${lost[0]}'; snapshots ${snapshots.join(", ") || "none"} cannot be restored. Choose another backup with --generation, or take what is whole with --accept-loss.`,
    { details: { lost: lost.slice(0, 100), snapshots } },
  );
}

/** Newest first, so that the lake has its true head from the first manifest on; then everything that hangs on them. */
function bySnapshot(objects: readonly BackedUpObject[]): BackedUpObject[] {
  return [...objects].sort((a, b) => (a.key < b.key ? 1 : -1));
}

class Restore {
  private readonly target: ObjectStore;
  private readonly lake: ObjectStore;
  private readonly staging: string;
  private readonly options: RestoreBackupOptions;
  private doneBytes = 0;
  readonly lost = new Set<string>();

  constructor(target: ObjectStore, lake: ObjectStore, staging: string, options: RestoreBackupOptions) {
    this.target = target;
    this.lake = lake;
    this.staging = staging;
    this.options = options;
  }

  async objects(objects: readonly BackedUpObject[], totalBytes: number, sideBySide: number): Promise<void> {
    await mapConcurrently(objects, sideBySide, async (object) => {
      this.options.signal?.throwIfAborted();
      if (!(await bring(this.target, this.lake, object, this.staging))) this.lost.add(object.key);
      this.doneBytes += object.sizeBytes;
      this.options.onProgress?.(this.doneBytes, totalBytes);
    });
  }

  async extras(generation: BackupGeneration): Promise<string[]> {
    const done: string[] = [];
    for (const extra of generation.extras) {
      const to = this.options.extraTo?.(extra.name);
      if (to === undefined) continue;
      if (await copyOut(this.target, extra.stored, to, extra)) done.push(extra.name);
      else this.lost.add(extra.name);
    }
    return done;
  }
}

/**
 * Brings a backup into an empty place; every byte is compared with the checksums of the backup's list. Cut short at any moment it is
 * completed by running it again; until then the lake does not open. Errors: `lake/not-empty`, `lake/damaged-backup` (unless `acceptLoss`),
 * `lake/no-such-backup`, `lake/backup-before-erasure`, `lake/no-space`.
 */
export async function restoreBackup(
  target: ObjectStore,
  lake: ObjectStore,
  options: RestoreBackupOptions = {},
): Promise<RestoreBackupReport> {
  const generation = await chosen(target, options.generation);
  await claim(lake, generation);
  const total = generation.objects.reduce((sum, object) => sum + object.sizeBytes, 0);
  if (!isRemote(lake.location)) await requireSpace(lake.location, total, "this restore");
  const staging = await lake.stagingDirectory(`restore-${process.pid}`);
  try {
    const restore = new Restore(target, lake, staging, options);
    const manifests = generation.objects.filter(({ key }) => snapshotIdOf(key) !== undefined);
    const others = generation.objects.filter(({ key }) => snapshotIdOf(key) === undefined);
    await restore.objects(others, total, SIDE_BY_SIDE);
    for (const { key, stored } of manifests) if (!(await has(target, stored))) restore.lost.add(key);
    const extras = await restore.extras(generation);
    const lostSnapshots = await snapshotsWithout(target, generation, restore.lost);
    if (restore.lost.size > 0 && options.acceptLoss !== true) {
      throw lossError(generation, [...restore.lost].sort(), lostSnapshots);
    }
    const whole = manifests.filter(({ key }) => !lostSnapshots.includes(snapshotIdOf(key)!));
    await restore.objects(bySnapshot(whole), total, 1);
    await lake.delete(RESTORING_KEY);
    return {
      generation: generation.sequence,
      createdAt: generation.createdAt,
      snapshots: whole.map(({ key }) => snapshotIdOf(key)!).sort((a, b) => a - b),
      objects: generation.objects.length - restore.lost.size,
      bytes: total,
      extras,
      lost: [...restore.lost].sort(),
      lostSnapshots,
    };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function has(store: ObjectStore, key: string): Promise<boolean> {
  return (await digestOf(store, key)) !== undefined;
}
