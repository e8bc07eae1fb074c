import type { Lake } from "../lake.js";
import { isStorageNotFound } from "../not-found.js";
import { pins } from "../pins.js";
import { readRemoved } from "../removed.js";
import { type FileRef, filesOf, snapshotKey } from "../snapshot.js";
import { type OrphanReport, orphans } from "./orphans.js";

/** A data file, view definition or snapshot that is not what was committed. */
export interface DamagedObject {
  readonly key: string;
  readonly problem: "missing" | "size" | "content" | "snapshot";
  /** Snapshots that need the object, ascending. */
  readonly snapshots: readonly number[];
}

/** Outcome of {@link verify}. */
export interface VerifyReport {
  readonly snapshots: number;
  readonly files: number;
  readonly bytes: number;
  readonly damaged: readonly DamagedObject[];
  /** Data files that no snapshot needs and a vacuum removes; undefined when a damaged manifest makes that unknown. */
  readonly orphans: OrphanReport | undefined;
  /** Names of pins whose snapshot cannot be read any more. */
  readonly brokenPins: readonly string[];
}

async function problemOf(lake: Lake, file: FileRef): Promise<DamagedObject["problem"] | undefined> {
  try {
    const { sizeBytes, sha256 } = await lake.store.digest(file.key);
    if (sizeBytes !== file.sizeBytes) return "size";
    return sha256 === file.sha256 ? undefined : "content";
  } catch (error) {
    if (isStorageNotFound(error)) return "missing";
    throw error;
  }
}

/** Manifests between the oldest and the newest that are not there though nobody removed them. */
async function lostManifests(lake: Lake, ids: readonly number[]): Promise<DamagedObject[]> {
  const present = new Set(ids);
  const removed = await readRemoved(lake.store);
  const lost: DamagedObject[] = [];
  for (let id = ids[0] ?? 0; id < (ids.at(-1) ?? 0); id++) {
    if (present.has(id) || removed.reasonOf(id) !== undefined) continue;
    lost.push({ key: snapshotKey(id), problem: "missing", snapshots: [id] });
  }
  return lost;
}

interface Needed {
  readonly files: Map<string, { file: FileRef; snapshots: number[] }>;
  readonly definitions: Map<string, number[]>;
  readonly damaged: DamagedObject[];
}

/** What the readable ones of these snapshots need, and those that cannot be read. */
async function neededBy(lake: Lake, ids: readonly number[]): Promise<Needed> {
  const needed: Needed = {
    files: new Map(),
    definitions: new Map(),
    damaged: await lostManifests(lake, ids),
  };
  for (const id of ids) {
    const snapshot = await lake.history.at(id).catch(() => undefined);
    if (snapshot === undefined) {
      needed.damaged.push({ key: snapshotKey(id), problem: "snapshot", snapshots: [id] });
      continue;
    }
    for (const file of filesOf(snapshot)) {
      const use = needed.files.get(file.key);
      if (use === undefined) needed.files.set(file.key, { file, snapshots: [id] });
      else use.snapshots.push(id);
    }
    for (const { definition } of Object.values(snapshot.views)) {
      const users = needed.definitions.get(definition) ?? [];
      if (!users.includes(id)) needed.definitions.set(definition, [...users, id]);
    }
  }
  return needed;
}

/** A stored ViewDefinition is named by its own checksum. */
async function definitionProblem(lake: Lake, key: string): Promise<DamagedObject["problem"] | undefined> {
  try {
    const { sha256 } = await lake.store.digest(key);
    return key === `definitions/${sha256}.json` ? undefined : "content";
  } catch (error) {
    if (isStorageNotFound(error)) return "missing";
    throw error;
  }
}

/** Re-reads and re-hashes everything that any kept snapshot needs, each file once; nothing is changed. */
export async function verify(
  lake: Lake,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<VerifyReport> {
  const ids = await lake.history.ids();
  const { files, definitions, damaged } = await neededBy(lake, ids);
  const manifestsWhole = damaged.length === 0;
  let bytes = 0;
  let done = 0;
  for (const { file, snapshots } of files.values()) {
    const problem = await problemOf(lake, file);
    if (problem !== undefined) damaged.push({ key: file.key, problem, snapshots });
    bytes += file.sizeBytes;
    onProgress(++done, files.size);
  }
  for (const [key, snapshots] of definitions) {
    const problem = await definitionProblem(lake, key);
    if (problem !== undefined) damaged.push({ key, problem, snapshots });
  }
  const brokenPins = (await pins(lake)).filter((pin) => !ids.includes(pin.snapshot)).map((pin) => pin.name);
  return {
    snapshots: ids.length,
    files: files.size,
    bytes,
    damaged,
    orphans: manifestsWhole ? await orphans(lake) : undefined,
    brokenPins,
  };
}
