import { createHmac, randomBytes } from "node:crypto";
import { instant } from "../clock.js";
import type { ServerContext } from "../server-context.js";
import type { ExportFile, ExportJob } from "./jobs.js";

const SECRET = randomBytes(32);

/** The signature of a file link: whoever has the link may read the file until it expires. */
export function linkSignature(job: string, name: string, expires: number): string {
  return createHmac("sha256", SECRET).update(`${job}\0${name}\0${expires}`).digest("base64url").slice(0, 22);
}

/** The URL of a file as a manifest gives it out now. */
export function fileUrl(context: ServerContext, job: ExportJob, name: string, root: string): string {
  const lifeMs = context.jobs.behaviour.linkMs;
  const expires = lifeMs === undefined ? job.expiresAt : context.clock.now() + lifeMs;
  const signature = linkSignature(job.id, name, expires);
  return `${root}/${job.id}/${name}?expires=${expires}&signature=${signature}`;
}

/** Where the manifest's files are found: HAPI serves them as Binary resources. */
function fileRoot(context: ServerContext): string {
  return `${context.base}/${context.profile.export.files === "binary" ? "Binary" : "_files"}`;
}

/** The polling URL of a job, or of a later page of its manifest. */
export function pollUrl(context: ServerContext, job: ExportJob, page = 0): string {
  const url =
    context.profile.export.pollPath === "query"
      ? `${context.base}/$export-poll-status?_jobId=${job.id}`
      : `${context.base}/_jobs/${job.id}`;
  if (page === 0) return url;
  return context.profile.export.pollPath === "query" ? `${url}&page=${page}` : `${url}/pages/${page}`;
}

/** A page of the manifest, with a next link when there are more. */
export function manifestText(
  context: ServerContext,
  job: ExportJob,
  page: number,
  pageCount: number,
): string {
  const rules = context.profile.export;
  const size = pageCount === 1 ? job.files.length : context.jobs.behaviour.filesPerPage;
  const files = job.files.slice(page * size, (page + 1) * size);
  const list = (kind: ExportFile["kind"]) =>
    files
      .filter((file) => file.kind === kind)
      .map((file) => ({
        type: file.type,
        url: fileUrl(context, job, file.name, fileRoot(context)),
        ...(rules.countMember ? { count: file.lineCount } : {}),
      }));
  return JSON.stringify({
    transactionTime: instant(job.transactionTime),
    ...(rules.requestMember ? { request: job.request.url } : {}),
    requiresAccessToken: claimedToken(context),
    output: list("output"),
    ...(rules.deleted ? { deleted: list("deleted") } : {}),
    ...(rules.errorMember === "absent" ? {} : { [rules.errorMember]: list("error") }),
    ...(page + 1 < pageCount ? { link: [{ relation: "next", url: pollUrl(context, job, page + 1) }] } : {}),
  });
}

/** How many pages the manifest has. */
export function pageCount(context: ServerContext, job: ExportJob): number {
  if (!job.request.partialManifests) return 1;
  return Math.max(1, Math.ceil(job.files.length / context.jobs.behaviour.filesPerPage));
}

/** Whether the files of this server's exports need the token. */
export function requiresAccessToken(context: ServerContext): boolean {
  return context.jobs.behaviour.requiresAccessToken ?? context.secured;
}

/** What manifests say about it. */
function claimedToken(context: ServerContext): boolean {
  return requiresAccessToken(context) || context.profile.export.claimsToken;
}
