import { mapConcurrently } from "#kernel";
import type { Lake } from "../lake.js";
import { isStorageNotFound } from "../not-found.js";
import { allPins, holds, pins, rememberReleased } from "../pins.js";
import { REMOVED_MANIFESTS, readRemoved, recordRemoved } from "../removed.js";
import { keptByPolicy, type Retention } from "../retention.js";
import { decodeSnapshot, filesOf, type Snapshot, snapshotIdOf, snapshotKey } from "../snapshot.js";

/** What to keep. */
export interface VacuumOptions extends Retention {
  /**
   * Files younger than this are never removed, because a writer at work may need them; and the files of a removed snapshot stay for so long
   * after its removal, so that whoever reads it can finish. 0 is for a lake that nobody else has open.
   */
  readonly graceMs: number;
  /** Landings that were begun so long ago and never committed are removed; default: `graceMs`. */
  readonly landingMs?: number;
  /** Quarantined input older than this is removed; default: never. */
  readonly quarantineMs?: number;
  readonly dryRun?: boolean;
}

/** What was (or would be) removed. */
export interface VacuumReport {
  readonly snapshotsRemoved: number;
  /** Ids of these snapshots, ascending. */
  readonly snapshots: readonly number[];
  readonly filesRemoved: number;
  readonly bytesRemoved: number;
  readonly oldestSnapshot: number | undefined;
  /** Snapshots that stay only because they are pinned. */
  readonly pinned: readonly number[];
}

/** Manifests copied at once. */
const COPIES_AT_ONCE = 8;
const DATA_FOLDERS = ["resources/", "views/", "landing/", "staging/"];

function manifestKey(id: number): string {
  return snapshotKey(id).replace("snapshots/", REMOVED_MANIFESTS);
}

function addNeeds(needed: Set<string>, snapshot: Snapshot): void {
  for (const file of filesOf(snapshot)) needed.add(file.key);
  for (const view of Object.values(snapshot.views)) needed.add(view.definition);
}

interface Choice {
  readonly expired: readonly number[];
  readonly kept: readonly Snapshot[];
  readonly pinned: readonly number[];
}

async function choose(lake: Lake, options: VacuumOptions): Promise<Choice> {
  const ids = await lake.history.ids();
  const snapshots: Snapshot[] = [];
  for (const id of ids) snapshots.push(await lake.history.at(id));
  const byPolicy = keptByPolicy(options, snapshots, lake.clock.now(), options.graceMs);
  const promised = new Set((await pins(lake)).map((pin) => pin.snapshot));
  const stays = (id: number): boolean => byPolicy.has(id) || promised.has(id);
  return {
    expired: ids.filter((id) => !stays(id)),
    kept: snapshots.filter(({ id }) => stays(id)),
    pinned: ids.filter((id) => promised.has(id) && !byPolicy.has(id)),
  };
}

/** Keys handed to the store at once: one request of an S3 server, and little lost when the process ends between two. */
const DELETES_AT_ONCE = 1000;

/** Collects keys and removes them many at a time. */
class Removal {
  private readonly lake: Lake;
  private pending: string[] = [];

  constructor(lake: Lake) {
    this.lake = lake;
  }

  async add(key: string): Promise<void> {
    if (this.pending.push(key) >= DELETES_AT_ONCE) await this.finish();
  }

  /** Returns when everything added is gone. */
  async finish(): Promise<void> {
    const keys = this.pending;
    this.pending = [];
    if (keys.length > 0) await this.lake.store.deleteMany(keys);
  }
}

/** Manifests that are still listed though their removal was recorded: an earlier run was cut short. */
async function leftOver(lake: Lake): Promise<number[]> {
  const removed = await readRemoved(lake.store);
  const found: number[] = [];
  for await (const { key } of lake.store.list("snapshots/")) {
    const id = snapshotIdOf(key);
    if (id !== undefined && removed.reasonOf(id) !== undefined) found.push(id);
  }
  return found;
}

/** Copies a manifest to where it is known during the grace period. */
async function moveAside(lake: Lake, id: number): Promise<void> {
  try {
    await lake.store.putIfAbsent(manifestKey(id), await lake.store.get(snapshotKey(id)));
  } catch (error) {
    // Another vacuum at work has moved it.
    if (!isStorageNotFound(error)) throw error;
  }
}

/**
 * Takes snapshots out of the history: recorded first, pins looked at again, then the manifests go. With a grace period each
 * manifest moves aside, so that its files stay known until its readers are through. Gives the ids that went, and those that stay after all.
 */
async function removeSnapshots(
  lake: Lake,
  expired: readonly number[],
  graceMs: number,
): Promise<{ gone: ReadonlySet<number>; back: readonly number[] }> {
  if (expired.length > 0) {
    await recordRemoved(lake.store, new Map(expired.map((id) => [id, "retention" as const])));
  }
  const promised = new Set((await pins(lake)).map((pin) => pin.snapshot));
  const back = new Set(expired.filter((id) => promised.has(id)));
  if (back.size > 0) await recordRemoved(lake.store, new Map(), back);
  const going = new Set([...expired.filter((id) => !back.has(id)), ...(await leftOver(lake))]);
  const manifests = [...going].sort((a, b) => a - b);
  if (graceMs > 0) {
    await mapConcurrently(manifests, COPIES_AT_ONCE, (id) => moveAside(lake, id));
  }
  // Whatever order they go in: they are recorded as removed.
  if (manifests.length > 0) await lake.store.deleteMany(manifests.map(snapshotKey));
  return { gone: going, back: [...back] };
}

/** Adds what snapshots removed within the grace period need; manifests of older ones are given back for deletion. */
async function addGraceNeeds(
  lake: Lake,
  needed: Set<string>,
  cutoffMs: number,
  gone: ReadonlySet<number>,
): Promise<string[]> {
  const justNow = new Set([...gone].map(manifestKey));
  const over: string[] = [];
  for await (const { key, modifiedAtMs } of lake.store.list(REMOVED_MANIFESTS)) {
    if (modifiedAtMs <= cutoffMs && !justNow.has(key)) over.push(key);
    else addNeeds(needed, decodeSnapshot(await lake.store.get(key), key));
  }
  return over;
}

interface Sweep {
  files: number;
  bytes: number;
}

async function sweep(lake: Lake, needed: ReadonlySet<string>, options: VacuumOptions): Promise<Sweep> {
  const now = lake.clock.now().getTime();
  const swept: Sweep = { files: 0, bytes: 0 };
  const ages: [string, number | undefined][] = [
    ...DATA_FOLDERS.map((folder): [string, number] => [
      folder,
      folder === "landing/" ? (options.landingMs ?? options.graceMs) : options.graceMs,
    ]),
    ["quarantine/", options.quarantineMs],
  ];
  const removal = new Removal(lake);
  for (const [folder, ageMs] of ages) {
    if (ageMs === undefined) continue;
    for await (const entry of lake.store.list(folder)) {
      if (needed.has(entry.key) || entry.modifiedAtMs > now - ageMs || lake.isOwn(entry.key)) continue;
      swept.files++;
      swept.bytes += entry.sizeBytes;
      if (options.dryRun !== true) await removal.add(entry.key);
    }
  }
  await removal.finish();
  return swept;
}

/**
 * Removes snapshots that neither policy nor pin keeps, then every data file, landing and staged file that no kept snapshot needs and that
 * is older than the grace period. Run again after an interruption it completes what is missing. Errors: `lake/bad-retention`; a damaged
 * snapshot stops it before anything is removed.
 */
export async function vacuum(lake: Lake, options: VacuumOptions): Promise<VacuumReport> {
  const { graceMs } = options;
  const cutoffMs = lake.clock.now().getTime() - graceMs;
  const choice = await choose(lake, options);
  const needed = new Set<string>();
  for (const snapshot of choice.kept) addNeeds(needed, snapshot);
  let removed = choice.expired;
  let gone: ReadonlySet<number> = new Set();
  if (options.dryRun !== true) {
    const outcome = await removeSnapshots(lake, choice.expired, graceMs);
    for (const id of outcome.back) addNeeds(needed, await lake.history.at(id));
    removed = removed.filter((id) => !outcome.back.includes(id));
    gone = outcome.gone;
  } else if (graceMs > 0) {
    for (const id of removed) addNeeds(needed, await lake.history.at(id));
  }
  const over = await addGraceNeeds(lake, needed, graceMs === 0 ? Number.POSITIVE_INFINITY : cutoffMs, gone);
  const swept = await sweep(lake, needed, options);
  if (options.dryRun !== true) {
    if (over.length > 0) await lake.store.deleteMany(over);
    await clearEndedPins(lake);
    // Removing files touched their folders just now, so the cutoff is taken anew.
    await lake.store.prune(DATA_FOLDERS, lake.clock.now().getTime() - graceMs);
  }
  return {
    snapshotsRemoved: removed.length,
    snapshots: removed,
    filesRemoved: swept.files,
    bytesRemoved: swept.bytes,
    oldestSnapshot: (await lake.history.ids()).find((id) => !removed.includes(id)),
    pinned: choice.pinned,
  };
}

async function clearEndedPins(lake: Lake): Promise<void> {
  const now = lake.clock.now();
  const ended = (await allPins(lake)).filter((pin) => !holds(pin, now));
  for (const pin of ended) await rememberReleased(lake, pin);
  if (ended.length > 0) await lake.store.deleteMany(ended.map((pin) => `pins/${pin.name}.json`));
}
