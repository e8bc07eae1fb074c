import path from "node:path";
import { durationMs } from "#config";
import {
  ANY_TYPE,
  exportBulk,
  type FetchedBatch,
  type FetchedFile,
  fetchBySearch,
  finishExport,
  finishSearch,
} from "#ingestion";
import { crashPoint } from "#storage";
import { type Assignment, earliest, type Part } from "./assignment.js";
import { exportLevel, hasHistory } from "./choose.js";
import type { RunAtWork } from "./context.js";
import { requestHash } from "./source.js";

/** Where the histories go that are read beside an export. */
function historyDir(work: RunAtWork, part: Part): string {
  return path.join(work.workDir, `${part.name}-history`);
}

function searched(work: RunAtWork, part: Part, workDir: string, history: boolean): Promise<FetchedBatch> {
  const { config } = work.source;
  return fetchBySearch({
    http: work.http,
    workDir,
    types: part.types,
    since: part.since,
    overlapMs: durationMs(config.overlap),
    history,
    policy: config.order,
    pageSize: config.pageSize,
    concurrency: config.concurrency,
    signal: work.signal,
    onProgress: ({ unitsDone, units, type }) => work.onProgress?.("fetch", unitsDone, units, type),
  });
}

/**
 * The time up to which all types of a new part are committed: what lies in its folder from before is of no use unless it is later. That
 * counts for servers without `_since` above all, whose every export is the same request. An interrupted run's part is gone on with.
 */
async function committedUpTo(
  work: RunAtWork,
  assignment: Assignment,
  part: Part,
): Promise<string | undefined> {
  if (assignment.run !== work.run.record.runId) return undefined;
  const state = (await work.lake.history.latest())?.sources[work.source.name];
  if (state?.requestHash !== requestHash(work.source)) return undefined;
  return earliest(part.types, state.watermarks ?? {});
}

async function exported(work: RunAtWork, assignment: Assignment, part: Part): Promise<FetchedBatch> {
  const { config } = work.source;
  const since = earliest(part.types, part.since);
  const newerThan = await committedUpTo(work, assignment, part);
  const typeFilters = (config.typeFilters ?? []).filter((filter) =>
    part.types.includes(filter.split("?")[0]!),
  );
  return exportBulk({
    http: work.http,
    workDir: path.join(work.workDir, part.name),
    level: exportLevel(config),
    types: part.types,
    ...(since === undefined ? {} : { since }),
    ...(newerThan === undefined ? {} : { newerThan }),
    ...(typeFilters.length === 0 ? {} : { typeFilters }),
    downloadConcurrency: config.concurrency,
    deadlineMs: durationMs(config.exportDeadline),
    // The policy is the user's word for it.
    emptyDeletedMeansNone: config.deletes.policy === "bulk",
    signal: work.signal,
    onProgress: ({ filesDone, filesTotal, server }) =>
      work.onProgress?.("fetch", filesDone, filesTotal, server),
    checkpoint: (label) => crashPoint(`export.${label}`),
  });
}

/** True when an export cannot tell about deletes but the server's histories can. */
async function wantsHistory(work: RunAtWork, part: Part, batch: FetchedBatch): Promise<boolean> {
  const { policy } = work.source.config.deletes;
  if (batch.deletesListed || Object.keys(part.since).length === 0) return false;
  if (policy === "history") return true;
  return policy === "auto" && (await hasHistory(work.http, part.types, work.signal));
}

/** The two as one. The export's time counts for both: what the histories have beyond it comes again. */
function joined(batch: FetchedBatch, histories: FetchedBatch): FetchedBatch {
  const sum = (name: keyof FetchedBatch["statistics"]): number =>
    batch.statistics[name] + histories.statistics[name];
  return {
    ...batch,
    files: [...batch.files, ...histories.files],
    deletesListed: histories.deletesListed,
    problems: [...batch.problems, ...histories.problems],
    incompleteTypes: [...new Set([...batch.incompleteTypes, ...histories.incompleteTypes])].sort(),
    statistics: {
      requests: sum("requests"),
      retries: sum("retries"),
      bytes: sum("bytes"),
      resumedFiles: sum("resumedFiles"),
    },
  };
}

/** Fetches one part, going on with what an interrupted run has left. */
export async function fetchPart(work: RunAtWork, assignment: Assignment, part: Part): Promise<FetchedBatch> {
  if (assignment.kind === "search") {
    return searched(work, part, path.join(work.workDir, part.name), assignment.history);
  }
  const batch = await exported(work, assignment, part);
  if (!(await wantsHistory(work, part, batch))) return batch;
  return joined(batch, await searched(work, part, historyDir(work, part), true));
}

/** After the commit: tells the server that the part is done with and removes its files. */
export async function finishPart(work: RunAtWork, assignment: Assignment, part: Part): Promise<void> {
  const workDir = path.join(work.workDir, part.name);
  if (assignment.kind === "search") return finishSearch(workDir);
  await finishSearch(historyDir(work, part));
  await finishExport({ http: work.http, workDir });
}

/** Whether the batch is complete for a type. */
export function isComplete(batch: FetchedBatch, type: string): boolean {
  return !batch.incompleteTypes.includes(type) && !batch.incompleteTypes.includes(ANY_TYPE);
}

/** How files are handed to the landing. */
export function landingInputs(
  files: readonly FetchedFile[],
): { path: string; bundles: "store" | "unpack" }[] {
  return files.map(({ path: file, kind }) => ({
    path: file,
    bundles: kind === "changes" ? "unpack" : "store",
  }));
}
