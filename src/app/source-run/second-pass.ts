import { mkdir } from "node:fs/promises";
import path from "node:path";
import { compareIds } from "#batch";
import { durationMs, sizeBytes } from "#config";
import {
  type FetchedBatch,
  type FetchProblem,
  fetchReferenced,
  readLines,
  writeNamedResources,
} from "#ingestion";
import { crashPoint } from "#storage";
import type { Assignment, Part } from "./assignment.js";
import type { RunAtWork } from "./context.js";

/** Types that the pass may ask for: those that runs load by themselves come that way, with updates and deletes. */
function wantedTypes(work: RunAtWork, assignment: Assignment): { binary: boolean; types: string[] } {
  const { attachments, types } = work.source.config.secondPass;
  const loaded = new Set(assignment.parts.flatMap((part) => part.types));
  return {
    binary: attachments && !loaded.has("Binary"),
    types: types.filter((type) => !loaded.has(type)),
  };
}

/** The file with what to ask for: everything named when all is loaded again, else what the lake does not have. */
async function missingOf(
  work: RunAtWork,
  named: string,
  types: readonly string[],
  everything: boolean,
): Promise<string> {
  if (everything) return named;
  const { unknownFile } = await compareIds(work.lake, {
    source: work.source.name,
    types,
    present: { kind: "id-file", path: named },
    outputDir: path.dirname(named),
  });
  return unknownFile;
}

function problemsOf({
  left,
  refused,
  failed,
}: Record<"left" | "refused" | "failed", number>): FetchProblem[] {
  const found: readonly (readonly [number, string])[] = [
    [left, "were not asked for, because of the bounds of secondPass"],
    [refused, "may not be read, or something else came back"],
    [failed, "could not be read because the server failed"],
  ];
  return found
    .filter(([count]) => count > 0)
    .map(([count, why]) => ({
      severity: "warning" as const,
      message: `${count} resources that others name ${why}.`,
    }));
}

/**
 * The batch with resources outside it that its resources name, read one by one within the configured bounds: attachments and targets of
 * references. They are landed and committed together with what names them. After an interruption it goes on where it stopped.
 */
export async function withReferenced(
  work: RunAtWork,
  assignment: Assignment,
  part: Part,
  batch: FetchedBatch,
): Promise<FetchedBatch> {
  const { config } = work.source;
  const { binary, types } = wantedTypes(work, assignment);
  const asked = [...(binary ? ["Binary"] : []), ...types];
  if (asked.length === 0 || batch.files.length === 0) return batch;
  const workDir = path.join(work.workDir, part.name);
  const folder = path.join(workDir, "second-pass");
  await mkdir(folder, { recursive: true });
  const named = path.join(folder, "named.txt");
  await writeNamedResources({ files: batch.files, base: work.http.base, attachments: binary, types }, named);
  const missing = await missingOf(work, named, asked, assignment.full);
  const result = await fetchReferenced({
    http: work.http,
    workDir,
    references: readLines(missing),
    maxResources: config.secondPass.maxResources,
    maxBytes: sizeBytes(config.secondPass.maxSize),
    maxMs: durationMs(config.secondPass.maxTime),
    concurrency: config.concurrency,
    signal: work.signal,
    onProgress: ({ done, total }) => work.onProgress?.("fetch", done, total, "referenced resources"),
  });
  crashPoint("run.second-pass.fetched");
  return {
    ...batch,
    files: [...batch.files, ...result.files],
    problems: [...batch.problems, ...problemsOf(result)],
  };
}
