import { createHash } from "node:crypto";
import { isLakeError, LakeError } from "#kernel";
import { cleanText } from "../http/index.js";
import type { ExportEvent, ExportOptions, ExportProgress } from "./options.js";
import type { ExportState, ExportWork } from "./work.js";

const DAY_MS = 86_400_000;
const DEFAULT_DEADLINE_MS = 30 * DAY_MS;
const DEFAULT_MAX_WAIT_MS = 300_000;
const MAX_PROGRESS_TEXT = 100;

/** A URL for logs: without its query, and a capability URL without anything that opens it. */
export function redactUrl(text: string, capability: boolean): string {
  if (!URL.canParse(text)) return "?";
  const url = new URL(text);
  if (!capability) return `${url.origin}${url.pathname}`;
  return `${url.origin}/…${createHash("sha256").update(text).digest("hex").slice(0, 8)}`;
}

/** The job is of no use any more: all that helps is a new one. */
export function jobLost(why: string): LakeError {
  return new LakeError(
    "unavailable",
    "source/export-lost",
    `The export's job is lost (${why}); run again to start a new one.`,
    { retryable: true },
  );
}

/** One call of the exporter: its options, its work in progress, and who is told. */
export class ExportSession {
  readonly options: ExportOptions;
  readonly work: ExportWork;
  /** Files that an earlier process had finished. */
  resumedFiles = 0;
  private deadline = Number.POSITIVE_INFINITY;

  constructor(options: ExportOptions, work: ExportWork) {
    this.options = options;
    this.work = work;
  }

  get state(): ExportState {
    const { state } = this.work;
    if (state === undefined) {
      throw new LakeError("internal", "source/damaged-state", "The export has no state yet.");
    }
    return state;
  }

  /** Changes the state, durably, then reports the point reached. */
  async advance(change: Partial<ExportState>, label: string): Promise<void> {
    await this.work.save({ ...this.state, ...change });
    this.reached(label);
  }

  reached(label: string): void {
    this.options.checkpoint?.(label);
  }

  /** Longest wait that a server can impose. */
  get maxWaitMs(): number {
    return this.options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS;
  }

  /** Sets when the export must be done, from the time of its first request. */
  startClock(): void {
    this.deadline = Date.parse(this.state.startedAt) + (this.options.deadlineMs ?? DEFAULT_DEADLINE_MS);
  }

  /** Waits, but never beyond the deadline. Throws `source/export-deadline` when that is reached. */
  async wait(ms: number): Promise<void> {
    const { clock } = this.options.http;
    await clock.sleep(Math.max(0, Math.min(ms, this.deadline - clock.now().getTime())), this.options.signal);
    this.checkDeadline();
  }

  checkDeadline(): void {
    const { http, signal } = this.options;
    signal?.throwIfAborted();
    if (http.clock.now().getTime() < this.deadline) return;
    throw new LakeError(
      "unavailable",
      "source/export-deadline",
      "The export was not done in the time allowed for it and is given up; raise the deadline or export less at a time.",
    );
  }

  log(eventId: ExportEvent["eventId"], eventDetail: ExportEvent["eventDetail"]): void {
    const { log, http } = this.options;
    if (log === undefined) return;
    const pollUrl = this.work.state?.pollUrl;
    log({
      exportId: pollUrl === undefined ? "" : redactUrl(pollUrl, false),
      timestamp: http.clock.now().toISOString(),
      eventId,
      eventDetail,
    });
  }

  progress(phase: ExportProgress["phase"], extra: { server?: string | null; waitMs?: number } = {}): void {
    const { onProgress } = this.options;
    if (onProgress === undefined) return;
    const filesTotal = (this.work.state?.pages ?? []).reduce((sum, page) => sum + page.files.length, 0);
    onProgress({
      phase,
      filesDone: this.work.finishedCount,
      filesTotal,
      ...this.work.totals,
      ...(extra.server == null ? {} : { server: progressText(extra.server) }),
      ...(extra.waitMs === undefined ? {} : { waitMs: extra.waitMs }),
    });
  }
}

/** The server's progress as it can be shown. */
export function progressText(text: string): string {
  return cleanText(text).slice(0, MAX_PROGRESS_TEXT);
}

/** What an error may say in a log. */
export function errorDetail(error: unknown): Readonly<Record<string, unknown>> {
  if (!isLakeError(error)) return { code: "internal" };
  return { code: error.code, message: error.message, ...error.details };
}
