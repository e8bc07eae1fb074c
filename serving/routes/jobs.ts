import { Readable } from "node:stream";
import { LakeError } from "#kernel";
import type { ResultFormat } from "#query";
import type { ServingContext, ServingDependencies } from "../context.js";
import { parameters } from "../http/choose-format.js";
import { entityTag, matches } from "../http/conditional.js";
import { freshnessNow } from "../http/freshness.js";
import { type AnswerFormat, contentType } from "../http/negotiate.js";
import { pathParameter, type RouteTable } from "../http/routes.js";
import type { Job } from "../jobs/job.js";
import type { Jobs, JobWork } from "../jobs/jobs.js";
import { type ByteRange, parseRange } from "../jobs/range.js";
import { disposition, extentHeaders, noteStatement, sqlEncodeOptions } from "../sql/sql-answer.js";
import { parseSqlRequest, type SqlRequest } from "../sql/sql-request.js";
import { openRequested } from "./open-state.js";
import { answerHeaders, prettyJson } from "./send.js";
import { jobDescriptions } from "./sql-descriptions.js";

const uncached = { "Content-Type": "application/json", "Cache-Control": "no-store" };

function requireJobs({ jobs }: ServingDependencies): Jobs {
  if (jobs !== undefined) return jobs;
  throw new LakeError(
    "unsupported",
    "serving/no-jobs",
    "This server runs no jobs; ask without Prefer: respond-async.",
  );
}

/** The share that is done, by the engine's guess of the rows; never 1 before the end. */
function progressOf({ state, rows, expectedRows }: Job): number | null {
  if (state === "done") return 1;
  if (expectedRows === null || expectedRows === 0) return null;
  return Math.min(0.99, Math.round((rows / expectedRows) * 100) / 100);
}

function shown(job: Job): Record<string, unknown> {
  const { id, state, name, format, createdAt, endedAt, expiresAt, rows, expectedRows, bytes, error } = job;
  return {
    id,
    state,
    query: name,
    format,
    createdAt,
    endedAt: endedAt ?? null,
    expiresAt: expiresAt ?? null,
    rows,
    expectedRows,
    bytes,
    progress: progressOf(job),
    ...(error === undefined ? {} : { error }),
    ...(state === "done" ? { result: `/jobs/${id}/result` } : {}),
  };
}

function document(job: Job, status: number, headers: Record<string, string> = {}): Response {
  const waiting = job.state === "queued" || job.state === "running" ? { "Retry-After": "1" } : {};
  return new Response(prettyJson(shown(job)), { status, headers: { ...uncached, ...waiting, ...headers } });
}

/** Answers 202: the statement runs over the state of this moment, whenever its turn comes. */
export async function startJob(
  context: ServingContext,
  dependencies: ServingDependencies,
  request: SqlRequest,
): Promise<Response> {
  const jobs = requireJobs(dependencies);
  noteStatement(context, request, []);
  const state = await openRequested(parameters(context), dependencies);
  let owned = true;
  const work: JobWork = {
    owner: dependencies.owner(),
    name: request.name,
    format: request.format,
    contentType: contentType(request.format),
    headers: {
      ...answerHeaders(freshnessNow(state, dependencies)),
      "Content-Disposition": disposition(request),
    },
    start: async (signal) => {
      owned = false;
      const answer = await dependencies.query.runSql(state, {
        ...request.question,
        signal,
        deadlineMs: dependencies.jobDeadlineMs,
      });
      const encoded = await answer
        .encode(request.format as ResultFormat, sqlEncodeOptions(request, answer))
        .catch((error: unknown) => {
          answer.close();
          throw error;
        });
      return {
        expectedRows: answer.rows,
        headers: extentHeaders(request, answer),
        body: encoded.body,
        rows: () => encoded.rowCount(),
        close: async () => {
          await encoded.close();
          answer.close();
        },
      };
    },
    release: () => {
      if (owned) state.release();
    },
  };
  const job = await jobs.submit(work);
  return document(job, 202, { Location: `/jobs/${job.id}`, "Preference-Applied": "respond-async" });
}

function rangeHeaders(range: ByteRange | undefined, size: number): Record<string, string> {
  if (range === undefined) return { "Content-Length": String(size) };
  const { first, last } = range;
  return { "Content-Range": `bytes ${first}-${last}/${size}`, "Content-Length": String(last - first + 1) };
}

function formatOf(job: Job): AnswerFormat {
  return job.format as AnswerFormat;
}

async function result(context: ServingContext, dependencies: ServingDependencies): Promise<Response> {
  const { job, file } = await requireJobs(dependencies).result(
    pathParameter(context, "job"),
    dependencies.owner(),
  );
  const size = job.bytes;
  context.get("notes").rowCount = job.rows;
  const headers: Record<string, string> = {
    ...job.headers,
    "Content-Type": contentType(formatOf(job)),
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
    "X-Row-Count": String(job.rows),
    ETag: entityTag(job.sha256 ?? ""),
  };
  const tag = headers["ETag"]!;
  const ifRange = context.req.header("If-Range");
  const asked = ifRange === undefined || ifRange.trim() === tag ? context.req.header("Range") : undefined;
  const range = parseRange(asked, size);
  const headless = context.req.raw.method === "HEAD";
  if (headless || range === "unsatisfiable" || matches(context.req.header("If-None-Match"), tag)) {
    await file.close();
    if (matches(context.req.header("If-None-Match"), tag))
      return new Response(null, { status: 304, headers });
    if (range === "unsatisfiable") {
      throw new LakeError(
        "invalid-input",
        "serving/bad-range",
        "The Range lies beyond the end of the result.",
        {
          details: { sizeBytes: size },
        },
      );
    }
    return new Response(null, { headers: { ...headers, "Content-Length": String(size) } });
  }
  const { first, last } = range ?? { first: 0, last: size - 1 };
  if (size === 0) {
    await file.close();
    return new Response(null, { headers });
  }
  const stream = file.createReadStream({ start: first, end: last, highWaterMark: 256 * 1024 });
  return new Response(Readable.toWeb(stream) as ReadableStream<Uint8Array>, {
    status: range === undefined ? 200 : 206,
    headers: { ...headers, ...rangeHeaders(range, size) },
  });
}

/** Statements whose answers are fetched later. */
export function jobRoutes(table: RouteTable, dependencies: ServingDependencies): void {
  const all = jobDescriptions;
  table.add(
    all.start,
    async (context) => await startJob(context, dependencies, await parseSqlRequest(context, dependencies)),
  );
  table.add(all.list, async () => {
    const jobs = await requireJobs(dependencies).list(dependencies.owner());
    return new Response(prettyJson({ jobs: jobs.map(shown) }), { headers: uncached });
  });
  table.add(all.show, async (context) =>
    document(await requireJobs(dependencies).find(pathParameter(context, "job"), dependencies.owner()), 200),
  );
  table.add(all.result, async (context) => await result(context, dependencies));
  table.add(all.remove, async (context) => {
    await requireJobs(dependencies).remove(pathParameter(context, "job"), dependencies.owner());
    return new Response(null, { status: 204 });
  });
}
