import { randomBytes } from "node:crypto";
import type { DataContext } from "../context.js";
import { FhirRefusal, operationOutcome } from "../outcome.js";
import type { StoredVersion } from "../store.js";
import { deleteLineCount, deleteLines, resourceLines } from "./file-content.js";
import type { ExportRequest } from "./request.js";
import { selectForExport } from "./select.js";

/** How exports run on this server, beside what the profile says. */
export interface ExportBehaviour {
  /** How many polls are answered 202 before the manifest (default 1). */
  readonly polls: number;
  /** For how long every poll is answered 202, milliseconds (default 0). */
  readonly durationMs: number;
  /** The Retry-After of 202 answers: the text itself, a number of seconds, a date so many seconds ahead, or nothing. */
  readonly retryAfter: string | number | { readonly dateInSeconds: number } | undefined;
  /** Whether files need the token; default: whether the server demands tokens. */
  readonly requiresAccessToken: boolean | undefined;
  /** For how long a job and its files are kept (default an hour). */
  readonly keepMs: number;
  /** For how long the file links of one manifest work (default as long as the job). */
  readonly linkMs: number | undefined;
  /** How many files one page of a partial manifest lists (default 2). */
  readonly filesPerPage: number;
}

/** A file of an export. */
export interface ExportFile {
  readonly kind: "output" | "deleted" | "error";
  readonly name: string;
  /** What the manifest calls its type. */
  readonly type: string;
  readonly lineCount: number;
  lines(): Iterable<Buffer>;
}

/** One export from kick-off to delete. */
export interface ExportJob {
  readonly id: string;
  readonly client: string;
  readonly request: ExportRequest;
  /** Milliseconds since 1970. */
  readonly transactionTime: number;
  readonly startedAt: number;
  readonly expiresAt: number;
  readonly files: readonly ExportFile[];
  /** Polls so far, per page of the manifest. */
  readonly polls: Map<number, number>;
}

/** The jobs of a server. */
export class ExportJobs {
  readonly behaviour: ExportBehaviour;
  readonly #jobs = new Map<string, ExportJob>();

  constructor(behaviour: ExportBehaviour) {
    this.behaviour = behaviour;
  }

  /** Starts an export: what it holds is decided now. */
  start(context: DataContext, request: ExportRequest, client: string): ExportJob {
    this.#checkLimit(context, request, client);
    const transactionTime = context.clock.mark();
    const job: ExportJob = {
      id: randomBytes(16).toString("hex"),
      client,
      request,
      transactionTime,
      startedAt: context.clock.now(),
      expiresAt: context.clock.now() + this.behaviour.keepMs,
      files: filesOf(context, request),
      polls: new Map(),
    };
    this.#jobs.set(job.id, job);
    return job;
  }

  /** A job that is neither deleted nor expired, else 404. */
  job(context: DataContext, id: string): ExportJob {
    const job = this.#jobs.get(id);
    if (job === undefined || context.clock.now() >= job.expiresAt)
      throw new FhirRefusal(404, "not-found", "There is no such export job (any more).");
    return job;
  }

  /** Forgets a job and its files. */
  delete(id: string): void {
    this.#jobs.delete(id);
  }

  /** Forgets all jobs, as a server does that was restarted. */
  deleteAll(): void {
    this.#jobs.clear();
  }

  /** Jobs that are kept. */
  get size(): number {
    return this.#jobs.size;
  }

  /** Whether the manifest was given out already. */
  finished(job: ExportJob): boolean {
    return (job.polls.get(0) ?? 0) > this.behaviour.polls;
  }

  /** Whether the manifest of a job may be given out; counts as a poll of that page. */
  pollPage(context: DataContext, job: ExportJob, page: number): boolean {
    const polls = (job.polls.get(page) ?? 0) + 1;
    job.polls.set(page, polls);
    const wanted = page === 0 ? this.behaviour.polls : 0;
    return polls > wanted && context.clock.now() >= job.startedAt + this.behaviour.durationMs;
  }

  #checkLimit(context: DataContext, request: ExportRequest, client: string): void {
    const limit = context.profile.export.jobLimit;
    if (limit === "none") return;
    for (const job of this.#jobs.values()) {
      if (job.client !== client || context.clock.now() >= job.expiresAt) continue;
      const running = !this.finished(job);
      const sameGroup = JSON.stringify(job.request.level) === JSON.stringify(request.level);
      if (limit === "client" ? running : sameGroup)
        throw new FhirRefusal(429, "throttled", "Another export job is there; delete it or wait.", {
          "retry-after": "2",
        });
    }
  }
}

function filesOf(context: DataContext, request: ExportRequest): ExportFile[] {
  const { output, deleted } = selectForExport(context, request);
  const files: ExportFile[] = [];
  for (const [type, versions] of output) {
    for (const [index, part] of chunks(versions, context.profile.export.rowsPerFile).entries()) {
      files.push({
        kind: "output",
        name: `${index + 1}.${type}.ndjson`,
        type,
        lineCount: part.length,
        lines: () => resourceLines(part, request.elements),
      });
    }
  }
  for (const [type, versions] of deleted) {
    files.push({
      kind: "deleted",
      name: `deleted.${type}.ndjson`,
      type: "Bundle",
      lineCount: deleteLineCount(versions),
      lines: () => deleteLines(versions),
    });
  }
  if (request.ignored.length > 0) files.push(ignoredFile(request.ignored));
  return files;
}

function ignoredFile(names: readonly string[]): ExportFile {
  const diagnostics = `Parameters that were not honoured: ${[...new Set(names)].join(", ")}.`;
  const text = operationOutcome([{ severity: "information", code: "not-supported", diagnostics }]);
  return {
    kind: "error",
    name: "1.OperationOutcome.ndjson",
    type: "OperationOutcome",
    lineCount: 1,
    lines: () => [Buffer.from(`${text}\n`)],
  };
}

function chunks(versions: readonly StoredVersion[], size: number): (readonly StoredVersion[])[] {
  const parts: (readonly StoredVersion[])[] = [];
  for (let at = 0; at < versions.length; at += size) parts.push(versions.slice(at, at + size));
  return parts;
}
