import { LakeError } from "#kernel";
import {
  describeIssues,
  isTransient,
  type JsonAnswer,
  type OutcomeIssue,
  readOutcome,
  retryDelay,
} from "../http/index.js";
import { badManifest, looksLikeManifest, type Manifest, readManifest } from "./manifest.js";
import { type ExportSession, jobLost, progressText } from "./session.js";

/** A job under way without a `Retry-After` is looked at least this often. */
const LONGEST_OWN_WAIT_MS = 60_000;
/** Gateways' errors in a row, without a word from the FHIR server, after which the export is left for another time. */
const MAX_SILENT_ERRORS = 8;
/** Every answer but those about the credentials is one about the job. */
const ANSWERS = Array.from({ length: 400 }, (_, i) => 200 + i).filter((s) => s !== 401 && s !== 403);

/** The manifest is plain JSON, an OperationOutcome is FHIR. */
export const MANIFEST_HEADERS = { accept: "application/json, application/fhir+json;q=0.9" };

/** What one look at the job gave. */
type Look =
  | { readonly kind: "page"; readonly manifest: Manifest }
  | { readonly kind: "wait"; readonly failure: boolean };

/** Polls `url` until it gives a page of the manifest whose files are final. */
export async function pollPage(session: ExportSession, url: string): Promise<Manifest> {
  const { http, signal } = session.options;
  let looks = 0;
  let failures = 0;
  let silent = 0;
  for (;;) {
    session.checkDeadline();
    const answer = await http.json("GET", url, {
      headers: MANIFEST_HEADERS,
      expect: ANSWERS,
      ...(signal === undefined ? {} : { signal }),
    });
    const issues = readOutcome(answer.body);
    silent = answer.status >= 500 && issues.length === 0 ? silent + 1 : 0;
    const look = readAnswer(answer, issues, silent);
    if (look.kind === "page") return look.manifest;
    failures = look.failure ? failures + 1 : 0;
    const isAsked = look.failure || answer.headers.has("retry-after");
    const waitMs = retryDelay({
      retryAfter: answer.headers.get("retry-after"),
      failures: look.failure ? failures : ++looks,
      now: http.clock.now(),
      maxWaitMs: isAsked ? session.maxWaitMs : Math.min(session.maxWaitMs, LONGEST_OWN_WAIT_MS),
      random: Math.random,
    });
    report(session, answer, waitMs, look.failure);
    await session.wait(waitMs);
  }
}

function report(session: ExportSession, answer: JsonAnswer, waitMs: number, failure: boolean): void {
  const server = answer.headers.get("x-progress");
  session.progress("waiting", { server, waitMs });
  session.log(failure ? "status_error" : "status_progress", {
    status: answer.status,
    ...(server === null ? {} : { xProgress: progressText(server) }),
    retryAfter: answer.headers.get("retry-after")?.slice(0, 64) ?? null,
    waitMs,
  });
}

function readAnswer(answer: JsonAnswer, issues: readonly OutcomeIssue[], silent: number): Look {
  const { status, body, url } = answer;
  if (status === 200) return { kind: "page", manifest: readManifest(body, url) };
  if (status === 202) {
    // Files of a page are final once there is a next one; without it the same page may still grow.
    const manifest = looksLikeManifest(body) ? readManifest(body, url) : undefined;
    return manifest?.next === undefined ? { kind: "wait", failure: false } : { kind: "page", manifest };
  }
  if (status === 404 || status === 410) throw jobLost(`status ${status}`);
  if (status === 429 || status === 408 || isTransient(issues)) return { kind: "wait", failure: true };
  if (status >= 500 && issues.length === 0 && silent <= MAX_SILENT_ERRORS) {
    return { kind: "wait", failure: true };
  }
  if (status >= 500 && issues.length === 0) throw unwell(status);
  if (status < 400) throw badManifest(`the job was answered with status ${status}`);
  throw jobFailed(status, issues);
}

/** The job may be well: it stays, and the next call polls it again. */
function unwell(status: number): LakeError {
  return new LakeError(
    "unavailable",
    "source/unavailable",
    `The server keeps answering the export's polls with status ${status}; the job is kept, run again when the server is well.`,
    { details: { status }, retryable: true },
  );
}

function jobFailed(status: number, issues: readonly OutcomeIssue[]): LakeError {
  const said = describeIssues(issues, false);
  return new LakeError(
    "unavailable",
    "source/export-failed",
    `The server could not complete the export (status ${status}${said === "" ? "" : `; ${said}`}); look at its log, then run again.`,
    {
      details: { status, issues: issues.map(({ severity, code }) => ({ severity, code })) },
      retryable: true,
    },
  );
}
