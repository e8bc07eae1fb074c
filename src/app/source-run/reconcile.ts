import path from "node:path";
import { durationMs } from "#config";
import { exportBulk, finishExport, type IdFile, writeIdFile, writeIdFileOf } from "#ingestion";
import type { SourceState } from "#lake";
import { exportLevel } from "./choose.js";
import type { RunAtWork } from "./context.js";
import { type FoundDeletes, foundDeletes } from "./found-deletes.js";

/** True when the ids of the source are to be compared with the lake's, by the server's own time `upTo`. */
export function reconcileIsDue(work: RunAtWork, state: SourceState | undefined, upTo: string): boolean {
  const { policy, every } = work.source.config.deletes;
  if (policy !== "reconcile") return false;
  const last = state?.deletesVerifiedAt;
  return last === undefined || Date.parse(upTo) - Date.parse(last) >= durationMs(every);
}

/** Where an export of ids lies. */
export function idsFolder(workDir: string): string {
  return path.join(workDir, "ids");
}

async function idsByExport(
  work: RunAtWork,
  types: readonly string[],
  file: string,
  upTo: string,
): Promise<IdFile> {
  const workDir = idsFolder(work.workDir);
  const batch = await exportBulk({
    http: work.http,
    workDir,
    level: exportLevel(work.source.config),
    types,
    elements: ["id"],
    idsOnly: true,
    // One that an interrupted run left knows nothing of what came since, which would look deleted.
    newerThan: upTo,
    downloadConcurrency: work.source.config.concurrency,
    signal: work.signal,
  });
  // A type of which anything is missing must not look as if its resources were gone.
  const whole = types.filter(
    (type) => !batch.incompleteTypes.includes(type) && !batch.incompleteTypes.includes("*"),
  );
  const ids = await writeIdFileOf(batch.files, whole, file);
  await finishExport({ http: work.http, workDir });
  return { ...ids, listedAt: batch.transactionTime };
}

function earlier(a: string, b: string): string {
  return Date.parse(b) < Date.parse(a) ? b : a;
}

/**
 * Compares all ids of the source with the lake's live resources and takes up the deletes. `upTo` is the server's time up to which the lake
 * was just brought; deletes count as known up to it, or up to the time of the list where that is earlier.
 */
export async function reconcile(
  work: RunAtWork,
  kind: "bulk" | "search",
  types: readonly string[],
  upTo: string,
): Promise<FoundDeletes> {
  const file = path.join(work.workDir, "ids.txt");
  work.onProgress?.("deletes", 0, types.length);
  const ids =
    kind === "bulk"
      ? await idsByExport(work, types, file, upTo)
      : await writeIdFile({ http: work.http, types, path: file, signal: work.signal });
  const found = foundDeletes(work, earlier(upTo, ids.listedAt ?? upTo));
  const listed = types.filter((type) => ids.types.includes(type));
  for (const type of types) {
    if (!listed.includes(type)) found.skip(type, "its ids could not be listed completely");
  }
  // An export is of one moment; pages of a search move while they are read and may miss what is still there.
  await found.compare(listed, { kind: "id-file", path: file }, kind === "search");
  return found;
}
