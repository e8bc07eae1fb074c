import { isLakeError } from "#kernel";
import type { Lake, Snapshot } from "#lake";
import { coversLess } from "./coverage.js";

/**
 * True when the lake was set back to an older state after a snapshot and up to a newer one: live versions that one of the two covers, or beats by
 * what a batch brought, are needed again. Also true when that cannot be told, because snapshots in between are no longer kept.
 */
export async function wasSetBack(
  history: Pick<Lake["history"], "at">,
  from: Snapshot | undefined,
  head: Snapshot,
): Promise<boolean> {
  if (from === undefined) return false;
  if (head.operation.kind === "restore" || coversLess(head, from)) return true;
  try {
    for (let id = from.id + 1; id < head.id; id++) {
      if ((await history.at(id)).operation.kind === "restore") return true;
    }
    return false;
  } catch (error) {
    if (isLakeError(error, "lake/snapshot-gone")) return true;
    throw error;
  }
}
