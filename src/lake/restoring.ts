import { LakeError } from "#kernel";
import type { ObjectStore } from "#storage";
import { isStorageNotFound } from "./not-found.js";

/** Stands in a lake from the first to the last step of its restore from a backup. */
export const RESTORING_KEY = "restoring/state.json";

/** Fails with `lake/restore-unfinished` while a restore from a backup has not ended: the lake may lack files. */
export async function checkRestored(store: ObjectStore): Promise<void> {
  try {
    await store.get(RESTORING_KEY);
  } catch (error) {
    if (isStorageNotFound(error)) return;
    throw error;
  }
  throw new LakeError(
    "unavailable",
    "lake/restore-unfinished",
    `The restore of '${store.location}' from a backup has not ended; run the same fhir-lake restore --from again.`,
  );
}
