import type { Lake } from "../lake.js";
import { isStorageNotFound } from "../not-found.js";

/** A data file as a snapshot or a listing names it. */
export interface DataFile {
  readonly key: string;
  readonly sizeBytes: number;
  /** Known of files that a snapshot names: a local copy is checked against it. */
  readonly sha256?: string;
}

/** A data file on this machine with the key it stands under. */
export interface LocalFile {
  readonly key: string;
  readonly path: string;
}

/** Files read by one statement; more would make statements of megabytes. */
const FILES_AT_ONCE = 500;
/** Bytes of them: what a remote lake copies to this machine at once. */
const BYTES_AT_ONCE = 4 * 1024 ** 3;

/** Every data file there is, also those that no snapshot needs any more. */
export async function allDataFiles(lake: Lake): Promise<DataFile[]> {
  const files: DataFile[] = [];
  for (const folder of ["resources/", "views/"]) {
    for await (const { key, sizeBytes } of lake.store.list(folder)) {
      if (key.endsWith(".parquet")) files.push({ key, sizeBytes });
    }
  }
  return files;
}

/** Table and view files among data files; key lists of views are views' files too. */
export function split(files: readonly DataFile[]): { tables: DataFile[]; views: DataFile[] } {
  return {
    tables: files.filter((file) => file.key.startsWith("resources/")),
    views: files.filter((file) => file.key.startsWith("views/")),
  };
}

/** The resource type or view name that a data file is of. */
export function subjectOf(key: string): string {
  return key.split("/")[1] ?? "";
}

/** Files by the type or view they are of. */
export function bySubject(files: readonly DataFile[]): Map<string, DataFile[]> {
  const groups = new Map<string, DataFile[]>();
  for (const file of files) {
    const group = groups.get(subjectOf(file.key));
    if (group === undefined) groups.set(subjectOf(file.key), [file]);
    else group.push(file);
  }
  return groups;
}

function batches(files: readonly DataFile[]): DataFile[][] {
  const parts: DataFile[][] = [];
  let bytes = 0;
  for (const file of files) {
    const last = parts.at(-1);
    bytes += file.sizeBytes;
    if (last === undefined || last.length >= FILES_AT_ONCE || bytes > BYTES_AT_ONCE) {
      parts.push([file]);
      bytes = file.sizeBytes;
    } else last.push(file);
  }
  return parts;
}

/**
 * Hands the files to `work` in batches, as local files. A remote lake's copies are given back after each batch, so that neither the cache's
 * bound nor an erasure's own links stand against their removal. A file that went meanwhile is passed over.
 */
export async function eachBatch(
  lake: Lake,
  files: readonly DataFile[],
  work: (files: readonly LocalFile[]) => Promise<void>,
): Promise<void> {
  for (const batch of batches(files)) {
    const hold = lake.store.hold();
    try {
      const local: LocalFile[] = [];
      for (const { key, sizeBytes, sha256 } of batch) {
        const expected = sha256 === undefined ? undefined : { sizeBytes, sha256 };
        const path = await hold.localPath(key, expected).catch((error: unknown) => {
          if (isStorageNotFound(error)) return undefined;
          throw error;
        });
        if (path !== undefined) local.push({ key, path });
      }
      if (local.length > 0) await work(local);
    } finally {
      await hold.release();
    }
  }
}
