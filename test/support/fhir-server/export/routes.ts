import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { FhirRequest } from "../context.js";
import { FhirRefusal, fhirJson } from "../outcome.js";
import type { ServerContext } from "../server-context.js";
import type { ExportBehaviour, ExportFile, ExportJob } from "./jobs.js";
import { fileUrl, linkSignature, manifestText, pageCount, pollUrl } from "./manifest.js";
import { type ExportLevel, readKickoff } from "./request.js";

/** `$export`: 202 with the polling URL. */
export async function kickOff(
  context: ServerContext,
  request: FhirRequest,
  level: ExportLevel,
): Promise<Response> {
  const job = context.jobs.start(context, await readKickoff(context, request, level), request.client);
  return new Response(null, { status: 202, headers: { "content-location": pollUrl(context, job) } });
}

/** A poll: 202 while it runs, then the manifest; partial manifests come with 202 until the last page. */
export function pollJob(context: ServerContext, id: string, page: number): Response {
  const job = context.jobs.job(context, id);
  if (!context.jobs.pollPage(context, job, page)) {
    const done = job.polls.get(page) ?? 0;
    return new Response(null, {
      status: 202,
      headers: {
        "x-progress": `in progress, poll ${done}`,
        ...retryAfterHeader(context, context.jobs.behaviour),
      },
    });
  }
  const pages = pageCount(context, job);
  if (page >= pages) throw new FhirRefusal(404, "not-found", "The manifest has no such page.");
  return new Response(manifestText(context, job, page, pages), {
    status: page + 1 < pages ? 202 : 200,
    headers: { "content-type": "application/json", expires: new Date(job.expiresAt).toUTCString() },
  });
}

/** The Retry-After header in the form that the behaviour asks for. */
function retryAfterHeader(context: ServerContext, { retryAfter }: ExportBehaviour): Record<string, string> {
  if (retryAfter === undefined) return {};
  if (typeof retryAfter !== "object") return { "retry-after": String(retryAfter) };
  const at = new Date(context.clock.now() + retryAfter.dateInSeconds * 1000);
  return { "retry-after": at.toUTCString() };
}

/** DELETE of a job: cancels it or says that it is no longer needed. */
export function deleteJob(context: ServerContext, id: string): Response {
  const job = context.jobs.job(context, id);
  if (context.profile.export.deleteFinished === "not-found" && context.jobs.finished(job))
    throw new FhirRefusal(404, "not-found", "This job was cancelled or has finished already.");
  context.jobs.delete(id);
  return new Response(null, { status: 202 });
}

/** Finds the file that a link names and checks that the link still works. */
export function fileOfLink(
  context: ServerContext,
  jobId: string,
  name: string,
  query: URLSearchParams,
): { readonly job: ExportJob; readonly file: ExportFile } {
  const job = context.jobs.job(context, jobId);
  const expires = Number(query.get("expires"));
  const file = job.files.find((candidate) => candidate.name === name);
  if (file === undefined || query.get("signature") !== linkSignature(jobId, name, expires))
    throw new FhirRefusal(404, "not-found", "There is no such file.");
  if (context.clock.now() >= expires) throw new FhirRefusal(410, "expired", "This file link has expired.");
  return { job, file };
}

/** GET of a file at the FHIR server: its lines, or a redirection to where files are kept. */
export function serveFile(
  context: ServerContext,
  request: FhirRequest,
  jobId: string,
  name: string,
  fileOrigin: string,
): Response {
  const { job, file } = fileOfLink(context, jobId, name, request.query);
  const rules = context.profile.export;
  if (rules.files === "other-origin") {
    const location = fileUrl(context, job, name, `${fileOrigin}/bucket`);
    return new Response(null, { status: 307, headers: { location } });
  }
  const accept = request.headers.get("accept") ?? "";
  if (rules.files === "binary" && !/ndjson/.test(accept)) return binaryResource(file);
  return fileResponse(context, file, request.headers);
}

/** The lines of a file, gzipped when client and profile want it. */
export function fileResponse(context: ServerContext, file: ExportFile, headers: Headers): Response {
  const gzip = context.profile.export.gzip && /\bgzip\b/.test(headers.get("accept-encoding") ?? "");
  const lines = Readable.from(file.lines(), { objectMode: false });
  const body = gzip ? lines.pipe(createGzip({ level: 1 })) : lines;
  return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>, {
    headers: {
      "content-type": "application/fhir+ndjson",
      "last-modified": new Date(context.clock.now()).toUTCString(),
      ...(gzip ? { "content-encoding": "gzip" } : {}),
    },
  });
}

/** What HAPI answers to a client that does not ask for NDJSON: the file as base64 within a Binary resource. */
function binaryResource(file: ExportFile): Response {
  const data = Buffer.concat([...file.lines()]).toString("base64");
  return fhirJson(JSON.stringify({ resourceType: "Binary", contentType: "application/fhir+ndjson", data }));
}
