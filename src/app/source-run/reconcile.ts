import path from "node:path";
import { durationMs } from "#config";
import { exportBulk, finishExport, type IdFile, readResource, writeIdFile, writeIdFileOf } from "#ingestion";
import { mapConcurrently } from "#kernel";
import { type MissingResources, missingResources, type SourceState } from "#lake";
import { exportLevel } from "./choose.js";
import type { RunAtWork } from "./context.js";
import { type FoundDeletes, foundDeletes } from "./found-deletes.js";

/** Reads that confirm a delete are made this many at a time; the source's own limits hold as well. */
const CONFIRMED_AT_ONCE = 8;

/** True when the ids of the source are to be compared with the lake's, by the server's own time `upTo`. */
export function reconcileIsDue(work: RunAtWork, state: SourceState | undefined, upTo: string): boolean {
  const { policy, every } = work.source.config.deletes;
  if (policy !== "reconcile") return false;
  const last = state?.deletesVerifiedAt;
  return last === undefined || Date.parse(upTo) - Date.parse(last) >= durationMs(every);
}

async function idsByExport(work: RunAtWork, types: readonly string[], file: string): Promise<IdFile> {
  const workDir = path.join(work.workDir, "ids");
  const batch = await exportBulk({
    http: work.http,
    workDir,
    level: exportLevel(work.source.config),
    types,
    elements: ["id"],
    idsOnly: true,
    downloadConcurrency: work.source.config.concurrency,
    signal: work.signal,
  });
  // A type of which anything is missing must not look as if its resources were gone.
  const whole = types.filter(
    (type) => !batch.incompleteTypes.includes(type) && !batch.incompleteTypes.includes("*"),
  );
  const ids = await writeIdFileOf(batch.files, whole, file);
  await finishExport({ http: work.http, workDir });
  return ids;
}

/** Of the resources that a list lacks, those that a read says are gone: pages move while they are listed. */
export async function confirmed(
  work: RunAtWork,
  type: string,
  found: MissingResources,
): Promise<MissingResources> {
  const { cap } = work.source.config.deletes;
  // So many will be held back anyway.
  if (found.missing.length > Math.max(1, cap * found.live) && !work.acceptDeletes) return found;
  const gone = await mapConcurrently(found.missing, CONFIRMED_AT_ONCE, async ({ id }) => {
    const { kind } = await readResource({ http: work.http, type, id, signal: work.signal });
    return kind === "gone" || kind === "absent";
  });
  return { live: found.live, missing: found.missing.filter((_, i) => gone[i]) };
}

/**
 * Compares all ids of the source with the lake's live resources and takes up the deletes. `at` is the server's time up to which the lake
 * was just brought.
 */
export async function reconcile(
  work: RunAtWork,
  kind: "bulk" | "search",
  types: readonly string[],
  at: string,
): Promise<FoundDeletes> {
  const file = path.join(work.workDir, "ids.txt");
  work.onProgress?.("deletes", 0, types.length);
  const ids =
    kind === "bulk"
      ? await idsByExport(work, types, file)
      : await writeIdFile({ http: work.http, types, path: file, signal: work.signal });
  const found = foundDeletes(work, at);
  for (const type of types) {
    if (!ids.types.includes(type)) {
      found.skip(type, "its ids could not be listed completely");
      continue;
    }
    const missing = await missingResources(work.lake, {
      source: work.source.name,
      type,
      present: { idFile: file },
    });
    found.add(type, kind === "bulk" ? missing : await confirmed(work, type, missing));
  }
  return found;
}
