import { randomUUID } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { type Clock, isLakeError, LakeError } from "#kernel";
import { hasEnded, thisProcess } from "#runs";
import type { Job, JobLimits } from "./job.js";
import { JobFiles, noSuchJob, type WrittenResult } from "./job-files.js";

/** What a job is to do. */
export interface JobWork {
  /** Whose it is: nobody else finds it. */
  readonly owner: string;
  readonly name: string;
  readonly format: string;
  readonly contentType: string;
  /** Headers of the result that are known already. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Starts the work; called when it is the job's turn. The signal aborts when the job is cancelled.
   */
  start(signal: AbortSignal): Promise<JobRun>;
  /** Called once, in the end, also when it was never started. */
  release(): void;
}

/** A job at work. */
export interface JobRun {
  readonly expectedRows: number | null;
  /** Headers of the result that became known. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
  rows(): number;
  /** Called once, read or not. */
  close(): Promise<void>;
}

interface Pending {
  job: Job;
  readonly work: JobWork;
  readonly stop: AbortController;
}

/** How often the record of a job under way is written anew: others see its progress, and that its server lives. */
const BEAT_MS = 1_000;
/** A job of a server elsewhere that did not write so long is lost. */
const SILENT_MS = 600_000;
const SWEEP_MS = 60_000;

const LOST = "The server was stopped before this job was done, and its result is lost; submit it again.";
const ERASED =
  "A person was erased from the lake after this job began, and all results from before were removed; submit it again.";

function gone(message: string): LakeError {
  return new LakeError("not-found", "serving/job-gone", message);
}

function full(): LakeError {
  return new LakeError(
    "unavailable",
    "serving/jobs-full",
    "The results of jobs fill the space there is for them; delete jobs that were fetched (DELETE /jobs/{id}).",
    { retryable: true },
  );
}

/** Statements whose answers are written to files. What is under way when the server ends is lost, and said to be. */
export class Jobs {
  private readonly files: JobFiles;
  private readonly limits: JobLimits;
  private readonly clock: Clock;
  private readonly waiting: Pending[] = [];
  private readonly running = new Map<string, Promise<void>>();
  private readonly pending = new Map<string, Pending>();
  private readonly sweeper: NodeJS.Timeout;
  private used = 0;
  private closed = false;

  constructor(folder: string, clock: Clock, limits: JobLimits) {
    this.files = new JobFiles(folder);
    this.clock = clock;
    this.limits = limits;
    this.sweeper = setInterval(() => void this.sweep().catch(() => undefined), SWEEP_MS);
    this.sweeper.unref();
  }

  private now(): string {
    return this.clock.now().toISOString();
  }

  /**
   * Settles what servers before this one left, and removes what is over its time.
   */
  async sweep(): Promise<void> {
    for (const id of await this.files.ids()) {
      const job = await this.files.read(id).catch(() => undefined);
      if (job === undefined) await this.files.remove(id);
      else await this.settle(job);
    }
    this.used = await this.files.resultBytes();
  }

  /** The job as it is now: a job without its server is lost, a result over its time is removed. */
  private async settle(job: Job): Promise<Job> {
    const now = this.clock.now().getTime();
    if (job.endedAt !== undefined && now - Date.parse(job.endedAt) > this.limits.recordMs) {
      await this.files.remove(job.id);
      return job;
    }
    if (job.state === "done" && job.expiresAt !== undefined && now >= Date.parse(job.expiresAt)) {
      return await this.giveUp(
        job,
        `The result of this job was kept until ${job.expiresAt}; submit it again.`,
      );
    }
    const active = job.state === "queued" || job.state === "running";
    if (!active || this.pending.has(job.id)) return job;
    const silent = now - Date.parse(job.updatedAt);
    return hasEnded(job.process) || silent > SILENT_MS ? await this.giveUp(job, LOST) : job;
  }

  private async giveUp(job: Job, reason: string): Promise<Job> {
    await this.files.removeResult(job.id);
    const closed: Job = {
      ...job,
      state: "gone",
      reason,
      endedAt: job.endedAt ?? this.now(),
      updatedAt: this.now(),
    };
    await this.files.write(closed);
    return closed;
  }

  /** Takes work, which it releases in the end. Fails with `serving/jobs-full` or `serving/too-many-jobs`. */
  async submit(work: JobWork): Promise<Job> {
    try {
      this.used = await this.files.resultBytes();
      if (this.used >= this.limits.diskBytes) throw full();
      if (this.closed || this.waiting.length >= this.limits.waiting) {
        throw new LakeError(
          "unavailable",
          "serving/too-many-jobs",
          "Too many jobs are waiting; try again later.",
          {
            retryable: true,
          },
        );
      }
      const { owner, name, format, contentType, headers } = work;
      const job: Job = {
        id: randomUUID(),
        state: "queued",
        owner,
        name,
        format,
        contentType,
        createdAt: this.now(),
        updatedAt: this.now(),
        rows: 0,
        expectedRows: null,
        bytes: 0,
        headers,
        process: thisProcess(),
      };
      await this.files.create(job);
      const pending = { job, work, stop: new AbortController() };
      this.pending.set(job.id, pending);
      this.waiting.push(pending);
      this.startNext();
      return job;
    } catch (error) {
      work.release();
      throw error;
    }
  }

  private startNext(): void {
    while (this.running.size < this.limits.running) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      const { id } = next.job;
      const run = this.run(next).finally(() => {
        next.work.release();
        this.pending.delete(id);
        this.running.delete(id);
        this.startNext();
      });
      this.running.set(id, run);
    }
  }

  private async save(pending: Pending, change: Partial<Job>): Promise<void> {
    pending.job = { ...pending.job, ...change, updatedAt: this.now() };
    await this.files.write(pending.job);
  }

  private async run(pending: Pending): Promise<void> {
    const { signal } = pending.stop;
    let run: JobRun | undefined;
    try {
      await this.save(pending, { state: "running" });
      run = await pending.work.start(signal);
      await this.save(pending, {
        expectedRows: run.expectedRows,
        headers: { ...pending.job.headers, ...run.headers },
      });
      const { bytes, sha256 } = await this.writing(pending, run);
      const now = this.clock.now().getTime();
      await this.save(pending, {
        state: "done",
        rows: run.rows(),
        bytes,
        sha256,
        endedAt: new Date(now).toISOString(),
        expiresAt: new Date(now + this.limits.resultMs).toISOString(),
      });
    } catch (error) {
      await this.failed(pending, error);
    } finally {
      await run?.close().catch(() => undefined);
    }
  }

  /** Writes the result; a job that was removed, by whichever server, ends soon after. */
  private async writing(pending: Pending, run: JobRun): Promise<WrittenResult> {
    let bytes = 0;
    let isSaving = false;
    let saving: Promise<void> = Promise.resolve();
    const beat = setInterval(() => {
      if (isSaving) return;
      isSaving = true;
      saving = this.save(pending, { rows: run.rows(), bytes })
        .catch(() => pending.stop.abort())
        .finally(() => {
          isSaving = false;
        });
    }, BEAT_MS);
    const before = this.used;
    try {
      return await this.files.writeResult(pending.job.id, run.body, (written) => {
        bytes = written;
        this.used = before + written;
        if (this.used > this.limits.diskBytes) throw full();
      });
    } finally {
      clearInterval(beat);
      // How the job ended is written after what it was like on the way, not beside it.
      await saving;
    }
  }

  private async failed(pending: Pending, error: unknown): Promise<void> {
    pending.stop.abort();
    const known = isLakeError(error)
      ? { code: error.code, message: error.message }
      : { code: "serving/unexpected", message: "An unexpected error happened." };
    // It may have been removed, which is why it failed.
    await this.save(pending, { state: "failed", error: known, endedAt: this.now() }).catch(() => undefined);
  }

  /** Somebody's job. Fails with `serving/no-such-job`, also when it is another's, and with `serving/job-gone` when it was lost or its result is over its time. */
  async find(id: string, owner: string): Promise<Job> {
    const known = this.pending.get(id)?.job ?? (await this.files.read(id));
    if (known.owner !== owner) throw noSuchJob();
    const job = await this.settle(known);
    if (job.state === "gone") throw gone(job.reason ?? LOST);
    return job;
  }

  /** Somebody's jobs that are known, newest first. */
  async list(owner: string): Promise<Job[]> {
    return (await this.all()).filter((job) => job.owner === owner);
  }

  /** Everybody's jobs that are known, newest first: for numbers, not for people. */
  async all(): Promise<Job[]> {
    const all = await Promise.all(
      (await this.files.ids()).map((id) => this.files.read(id).catch(() => undefined)),
    );
    const settled = await Promise.all(all.filter((job) => job !== undefined).map((job) => this.settle(job)));
    return settled.sort((a, b) => (a.createdAt > b.createdAt ? -1 : 1));
  }

  /** The result of a job that is done, open for reading. Fails with `serving/job-not-done` or as {@link Jobs.find} does. */
  async result(id: string, owner: string): Promise<{ readonly job: Job; readonly file: FileHandle }> {
    const job = await this.find(id, owner);
    if (job.state !== "done") {
      throw new LakeError(
        "conflict",
        "serving/job-not-done",
        job.error === undefined
          ? "The job is not done yet; GET /jobs/{id} says how far it is."
          : `The job failed: ${job.error.message}`,
        { details: { state: job.state } },
      );
    }
    const file = await this.files.openResult(id).catch(() => {
      throw gone("The result of this job is no longer there; submit it again.");
    });
    return { job, file };
  }

  /** Cancels a job, or removes one that has ended. Fails with `serving/no-such-job`. */
  async remove(id: string, owner: string): Promise<void> {
    if ((await this.files.read(id)).owner !== owner) throw noSuchJob();
    const pending = this.pending.get(id);
    pending?.stop.abort();
    const place = pending === undefined ? -1 : this.waiting.indexOf(pending);
    if (pending !== undefined && place >= 0) {
      this.waiting.splice(place, 1);
      this.pending.delete(id);
      pending.work.release();
    }
    await this.running.get(id);
    await this.files.remove(id);
    this.used = await this.files.resultBytes();
  }

  /**
   * Removes the results of jobs that were submitted before an instant, since they may hold a person who was erased; what is under way is ended.
   */
  async forget(before: Date = this.clock.now()): Promise<void> {
    for (const { job, stop } of this.pending.values()) {
      if (Date.parse(job.createdAt) > before.getTime()) continue;
      stop.abort();
      await this.running.get(job.id);
    }
    for (const job of await this.all()) {
      if (job.state !== "gone" && Date.parse(job.createdAt) <= before.getTime())
        await this.giveUp(job, ERASED);
    }
  }

  /** Ends what runs: it is lost. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.sweeper);
    const unfinished = [...this.pending.values()];
    for (const { stop } of unfinished) stop.abort();
    for (const { work } of this.waiting.splice(0)) work.release();
    await Promise.all(this.running.values());
    for (const { job } of unfinished) await this.giveUp(job, LOST).catch(() => undefined);
  }
}
