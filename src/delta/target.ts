import { isLakeError } from "#kernel";
import type { ObjectStore } from "#storage";

/** Where Delta tables are published: a folder of an object store. */
export interface PublishTarget {
  readonly store: ObjectStore;
  /** Key prefix, empty or ending in `/`. */
  readonly prefix: string;
}

/** Object key of something below a published table's folder. `table` is `resources/<Type>` or `views/<name>`. */
export function tableKey(target: PublishTarget, table: string, rest: string): string {
  return `${target.prefix}${table}/${rest}`;
}

/** Twenty digits, as the protocol names log files. */
export function versionName(version: number): string {
  return String(version).padStart(20, "0");
}

/** The object's bytes, or undefined when there is none. */
export async function find(store: ObjectStore, key: string): Promise<Uint8Array | undefined> {
  try {
    return await store.get(key);
  } catch (error) {
    if (isLakeError(error, "storage/not-found")) return undefined;
    throw error;
  }
}
