import { isLakeError } from "#kernel";

/** True for the error a store gives when an object does not exist. */
export function isStorageNotFound(error: unknown): boolean {
  return isLakeError(error, "storage/not-found");
}
