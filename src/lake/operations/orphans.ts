import type { Lake } from "../lake.js";
import { REMOVED_MANIFESTS } from "../removed.js";
import { decodeSnapshot, filesOf } from "../snapshot.js";

/** Data files that stand in the lake without being part of anything. */
export interface OrphanReport {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Counts data files that neither a kept snapshot nor one within its grace period needs. Writers at work have some, too: their files become
 * part of a snapshot last.
 */
export async function orphans(lake: Lake): Promise<OrphanReport> {
  const needed = new Set<string>();
  for (const id of await lake.history.ids()) {
    for (const file of filesOf(await lake.history.at(id))) needed.add(file.key);
  }
  for await (const { key } of lake.store.list(REMOVED_MANIFESTS)) {
    for (const file of filesOf(decodeSnapshot(await lake.store.get(key), key))) needed.add(file.key);
  }
  let files = 0;
  let bytes = 0;
  for (const folder of ["resources/", "views/"]) {
    for await (const { key, sizeBytes } of lake.store.list(folder)) {
      if (needed.has(key)) continue;
      files++;
      bytes += sizeBytes;
    }
  }
  return { files, bytes };
}
