import { isLakeError } from "#kernel";
import { type FhirHttp, sourceAborted } from "../http/index.js";
import type { FetchedBatch } from "../source/fetched.js";
import { assemble } from "./assemble.js";
import { PageDownloads } from "./downloads.js";
import { kickOff } from "./kickoff.js";
import { badManifest, type Manifest } from "./manifest.js";
import type { ExportOptions } from "./options.js";
import { pollPage } from "./poll.js";
import { checkRequest, requestHash } from "./request.js";
import { ExportSession, errorDetail, jobLost } from "./session.js";
import { ExportWork, type PageState } from "./work.js";

/** Jobs begun in one call before it is given up. */
const MAX_JOBS = 3;
const MAX_PAGES = 100_000;
/** How often a request to give a job up is tried: nothing depends on it. */
const RELEASE_ATTEMPTS = 2;

/** What {@link finishExport} and {@link cancelExport} need. */
export interface ExportPlace {
  readonly http: FhirHttp;
  readonly workDir: string;
  /** Called at named points, as in {@link ExportOptions}. */
  readonly checkpoint?: (label: string) => void;
}

/**
 * Exports by Bulk Data into files below `workDir`. Called again with the same request, after any end, it goes on where the
 * last call stopped: the job is polled on, and finished files are not fetched again. A job that the server lost is begun anew. Another
 * request gives up the job in progress. The batch stays until {@link finishExport}. Throws LakeErrors `source/*`.
 */
export async function exportBulk(options: ExportOptions): Promise<FetchedBatch> {
  checkRequest(options);
  const work = await ExportWork.open(options.workDir);
  const session = new ExportSession(options, work);
  try {
    await begin(session);
    for (let jobs = 1; ; jobs++) {
      try {
        return await runJob(session);
      } catch (error) {
        session.log(
          isLakeError(error, "source/export-lost") ? "job_lost" : "status_error",
          errorDetail(error),
        );
        if (isLakeError(error, "source/export-lost") && jobs < MAX_JOBS) await restart(session);
        else throw await afterFailure(session, error);
      }
    }
  } finally {
    await work.close();
  }
}

/** Takes up the work in progress, or starts anew when it is another request's. */
async function begin(session: ExportSession): Promise<void> {
  const { options, work } = session;
  const hash = requestHash(options.http.base, options);
  const { state } = work;
  if (state !== undefined && (state.requestHash !== hash || isOld(session, state.transactionTime))) {
    await release(options.http, state.pollUrl);
    await work.clear();
  }
  if (work.state === undefined) {
    await work.save({
      version: 1,
      requestHash: hash,
      generation: 1,
      startedAt: options.http.clock.now().toISOString(),
      pages: [],
      complete: false,
    });
    session.reached("kickoff.intended");
  } else if (work.state.pollUrl === undefined) {
    // Nothing runs on the server yet, so the time allowed begins now.
    await work.save({ ...work.state, startedAt: options.http.clock.now().toISOString() });
  }
  session.startClock();
  session.resumedFiles = work.finishedCount;
}

/** Not later than what is committed. */
function isOld(session: ExportSession, transactionTime: string | undefined): boolean {
  const { newerThan } = session.options;
  if (transactionTime === undefined || newerThan === undefined) return false;
  return Date.parse(transactionTime) <= Date.parse(newerThan);
}

async function runJob(session: ExportSession): Promise<FetchedBatch> {
  const started = session.options.http.clock.now().getTime();
  const isOwnJob = session.state.pollUrl === undefined;
  if (isOwnJob) await kickOff(session);
  for (let page = 0; page < session.state.pages.length; page++) {
    await new PageDownloads(session, page).fetchAll();
  }
  while (!session.state.complete) {
    await nextPage(session, isOwnJob);
    // While these come the server may be at work on the next page.
    await new PageDownloads(session, session.state.pages.length - 1).fetchAll();
  }
  const batch = await assemble(session);
  session.reached("batch.ready");
  session.log("export_complete", {
    files: batch.files.length,
    resources: batch.files.reduce((sum, { lines = 0 }) => sum + lines, 0),
    bytes: batch.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    attachments: 0,
    duration: session.options.http.clock.now().getTime() - started,
  });
  session.progress("complete");
  return batch;
}

/** Waits for the next page of the manifest and keeps it. */
async function nextPage(session: ExportSession, isOwnJob: boolean): Promise<void> {
  const { pages, nextUrl, transactionTime } = session.state;
  const manifest = await pollPage(session, nextUrl!);
  if (transactionTime !== undefined && manifest.transactionTime !== transactionTime) {
    throw badManifest("its pages differ in transactionTime");
  }
  if (!isOwnJob && isOld(session, manifest.transactionTime))
    throw jobLost("what it gives is committed already");
  const { next } = manifest;
  const seen = next !== undefined && (next === nextUrl || pages.some(({ url }) => url === next));
  if (seen || pages.length >= MAX_PAGES) throw badManifest("its pages go in a circle");
  const page = pageState(session, nextUrl!, manifest);
  const { nextUrl: _, ...rest } = session.state;
  await session.work.save({
    ...rest,
    transactionTime: manifest.transactionTime,
    pages: [...pages, page],
    complete: next === undefined,
    ...(next === undefined ? {} : { nextUrl: next }),
  });
  session.reached("page.saved");
  logPage(session, manifest);
}

function pageState(session: ExportSession, url: string, manifest: Manifest): PageState {
  const { generation, pages } = session.state;
  return {
    url,
    requiresAccessToken: manifest.requiresAccessToken,
    hasDeleted: manifest.hasDeleted,
    files: manifest.files.map((file, at) => {
      const kind = file.section === "output" ? file.type : file.section;
      return { ...file, name: `${generation}-${pages.length}-${String(at).padStart(5, "0")}-${kind}.ndjson` };
    }),
  };
}

function logPage(session: ExportSession, manifest: Manifest): void {
  const count = (section: string): number => manifest.files.filter((file) => file.section === section).length;
  session.log("status_page_complete", {
    transactionTime: manifest.transactionTime,
    outputFileCount: count("output"),
    deletedFileCount: count("deleted"),
    errorFileCount: count("error"),
  });
  if (manifest.next !== undefined) return;
  session.log("status_complete", { transactionTime: manifest.transactionTime });
  const all = session.state.pages.flatMap((page) => page.files);
  const total = (section: string): number => all.filter((file) => file.section === section).length;
  session.log("manifest_complete", {
    transactionTime: manifest.transactionTime,
    totalOutputFileCount: total("output"),
    totalDeletedFileCount: total("deleted"),
    totalErrorFileCount: total("error"),
    totalManifests: session.state.pages.length,
  });
}

/** Begins a new job for the same request; files of the lost one belong to another moment and go. */
async function restart(session: ExportSession): Promise<void> {
  const { requestHash, generation, startedAt, pollUrl } = session.state;
  // It may be there still, and in the way of a new one.
  await release(session.options.http, pollUrl);
  await session.work.save({
    version: 1,
    requestHash,
    generation: generation + 1,
    startedAt,
    pages: [],
    complete: false,
  });
  await session.work.clearFiles();
  session.resumedFiles = 0;
  session.reached("job.restarted");
}

/** Errors after which the server's job is of no further use. */
const JOB_ENDING: ReadonlySet<string> = new Set([
  "source/export-failed",
  "source/export-lost",
  "source/export-deadline",
  "source/bad-manifest",
]);

/** Calls that may end on a damaged file before a new job is taken for the better chance. */
const MAX_DAMAGED_CALLS = 3;

/** Whether there is nothing to go on with. */
async function isJobOver(session: ExportSession, error: unknown): Promise<boolean> {
  if (!isLakeError(error)) return false;
  if (error.code !== "source/damaged-file") return JOB_ENDING.has(error.code);
  const damagedCalls = (session.state.damagedCalls ?? 0) + 1;
  await session.work.save({ ...session.state, damagedCalls });
  return damagedCalls >= MAX_DAMAGED_CALLS;
}

/** Cleans up where there is nothing to go on with; otherwise everything stays for the next call. */
async function afterFailure(session: ExportSession, error: unknown): Promise<unknown> {
  if (await isJobOver(session, error)) {
    await release(session.options.http, session.work.state?.pollUrl);
    await session.work.clear();
  }
  return !isLakeError(error) && session.options.signal?.aborted === true ? sourceAborted(error) : error;
}

/** Tells the server that a job is no longer needed. True: it knows, or has forgotten the job by itself. */
async function release(http: FhirHttp, pollUrl: string | undefined): Promise<boolean> {
  if (pollUrl === undefined) return true;
  try {
    await http.json("DELETE", pollUrl, {
      expect: [200, 202, 204, 404, 410],
      maxAttempts: RELEASE_ATTEMPTS,
    });
    return true;
  } catch {
    return false;
  }
}

async function endExport(place: ExportPlace): Promise<{ readonly released: boolean }> {
  const work = await ExportWork.open(place.workDir);
  try {
    const { state } = work;
    const released = await release(place.http, state?.pollUrl);
    place.checkpoint?.("finish.released");
    if (released || state === undefined) await work.clear();
    else {
      // Kept under a name that fits no request: the next export gives this job up before it asks for its own.
      await work.save({ ...state, requestHash: "ended", pages: [], complete: false });
      await work.clearFiles();
    }
    place.checkpoint?.("finish.emptied");
    return { released };
  } finally {
    await work.close();
  }
}

/**
 * After the commit: tells the server that the export is done with (`DELETE`) and empties the folder. `released: false`: the server
 * could not be told; the next export will try again.
 */
export function finishExport(place: ExportPlace): Promise<{ readonly released: boolean }> {
  return endExport(place);
}

/** Gives up an export at any stage: the server's job is cancelled and everything fetched removed. */
export function cancelExport(place: ExportPlace): Promise<{ readonly released: boolean }> {
  return endExport(place);
}
