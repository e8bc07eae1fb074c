import type { Lake } from "../lake.js";
import { isStorageNotFound } from "../not-found.js";
import { readRemoved } from "../removed.js";
import { type FileRef, filesOf, snapshotKey } from "../snapshot.js";

/** A data file or snapshot that is not what was committed. */
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

/** Re-reads and re-hashes everything that any kept snapshot needs, each file once; nothing is changed. */
export async function verify(
  lake: Lake,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<VerifyReport> {
  const users = new Map<string, { file: FileRef; snapshots: number[] }>();
  const ids = await lake.history.ids();
  const damaged = await lostManifests(lake, ids);
  for (const id of ids) {
    const snapshot = await lake.history.at(id).catch(() => undefined);
    if (snapshot === undefined) {
      damaged.push({
        key: snapshotKey(id),
        problem: "snapshot",
        snapshots: [id],
      });
      continue;
    }
    for (const file of filesOf(snapshot)) {
      const use = users.get(file.key);
      if (use === undefined) users.set(file.key, { file, snapshots: [id] });
      else use.snapshots.push(id);
    }
  }
  let bytes = 0;
  let done = 0;
  for (const { file, snapshots } of users.values()) {
    const problem = await problemOf(lake, file);
    if (problem !== undefined) damaged.push({ key: file.key, problem, snapshots });
    bytes += file.sizeBytes;
    onProgress(++done, users.size);
  }
  return { snapshots: ids.length, files: users.size, bytes, damaged };
}
