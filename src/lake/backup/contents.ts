import { createHash } from "node:crypto";
import { isLakeError } from "#kernel";
import type { Lake } from "../lake.js";
import { REMOVED_MANIFESTS } from "../removed.js";
import { type FileRef, filesOf, type Snapshot, snapshotKey } from "../snapshot.js";
import type { BackedUpObject } from "./generation.js";

/** Folders of small records that go with the snapshots. */
const RECORDS = [
  "pins/",
  "released-pins/",
  "removed/",
  "erasures/",
  "quarantine/",
  "runs/",
  "cohorts/",
  "access/",
  "lake-id.json",
  "serving-key.json",
];

/** What a backup is to hold: data files by name, records with their bytes. */
export interface BackupContents {
  readonly snapshots: readonly Snapshot[];
  readonly files: readonly FileRef[];
  readonly records: readonly { readonly object: BackedUpObject; readonly bytes: Uint8Array }[];
}

/** Where a data file stands in a backup. */
export function storedFile(key: string): string {
  return `objects/${key}`;
}

/** Where something small stands in a backup. */
export function storedContent(sha256: string): string {
  return `content/${sha256.slice(0, 2)}/${sha256}`;
}

function record(key: string, bytes: Uint8Array): BackupContents["records"][number] {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { object: { key, stored: storedContent(sha256), sizeBytes: bytes.length, sha256 }, bytes };
}

/** A snapshot with its manifest's bytes, or undefined when it was removed while we looked. */
async function keptSnapshot(
  lake: Lake,
  id: number,
): Promise<{ snapshot: Snapshot; bytes: Uint8Array } | undefined> {
  try {
    const snapshot = await lake.history.at(id);
    return { snapshot, bytes: await lake.store.get(snapshotKey(id)) };
  } catch (error) {
    if (isLakeError(error, "lake/snapshot-gone") || isLakeError(error, "storage/not-found")) return undefined;
    throw error;
  }
}

/** Everything that the snapshots of these ids need, and the records beside them. A snapshot that is gone meanwhile is left out. */
export async function backupContents(lake: Lake, ids: readonly number[]): Promise<BackupContents> {
  const snapshots: Snapshot[] = [];
  const files = new Map<string, FileRef>();
  const definitions = new Set<string>();
  const records: BackupContents["records"][number][] = [];
  for (const id of ids) {
    const kept = await keptSnapshot(lake, id);
    if (kept === undefined) continue;
    snapshots.push(kept.snapshot);
    records.push(record(snapshotKey(id), kept.bytes));
    for (const file of filesOf(kept.snapshot)) files.set(file.key, file);
    for (const view of Object.values(kept.snapshot.views)) definitions.add(view.definition);
  }
  for (const key of definitions) records.push(record(key, await lake.store.get(key)));
  for (const folder of RECORDS) {
    for await (const { key } of lake.store.list(folder)) {
      if (key.startsWith(REMOVED_MANIFESTS)) continue;
      const bytes = await lake.store.get(key).catch(() => undefined);
      if (bytes !== undefined) records.push(record(key, bytes));
    }
  }
  return { snapshots, files: [...files.values()], records };
}
