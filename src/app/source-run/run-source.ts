import path from "node:path";
import { unresolvedReferences } from "#batch";
import { durationMs, sizeBytes } from "#config";
import { cancelExport, createFhirHttp, type FhirHttp, type IngestLimits } from "#ingestion";
import { isLakeError, LakeError } from "#kernel";
import { commitSourceState, endLoss, type Snapshot, type SourceState } from "#lake";
import {
  keepLease,
  Lease,
  Ledger,
  newRunId,
  OpenRun,
  type RunRecord,
  type RunState,
  sourceLease,
} from "#runs";
import { crashPoint, isRemote } from "#storage";
import { settle } from "../ingest.js";
import { stopReason } from "../land-files.js";
import { publishAfterCommit } from "../publish.js";
import {
  type Assignment,
  clearAssignment,
  clearWork,
  goesOnFrom,
  planParts,
  readAssignment,
  withDone,
  writeAssignment,
} from "./assignment.js";
import { choose } from "./choose.js";
import { compareWithSource } from "./completeness.js";
import type { RunAtWork, RunContext } from "./context.js";
import { fetchPart, finishPart } from "./fetch-part.js";
import { type LandedPart, landPart } from "./land-part.js";
import { idsFolder, reconcile, reconcileIsDue } from "./reconcile.js";
import { keepByPolicy } from "./retention.js";
import { withReferenced } from "./second-pass.js";
import { httpSettings, requestHash, type SourceDefinition } from "./source.js";

/** One run of one source. */
export interface RunRequest {
  readonly source: SourceDefinition;
  /** Ask for everything again, whatever the watermarks say. */
  readonly full?: boolean;
  /** Take deletes found by comparison however many they are. */
  readonly acceptDeletes?: boolean;
  /** Who asked for it: `command` or `schedule`. */
  readonly trigger: string;
  readonly signal?: AbortSignal;
}

/** An assignment older than this when it is resumed is followed by one for what came since. */
const STALE_MS = 3_600_000;

/** Of what is asked for, types included: an assignment of another request is given up. */
function assignmentHash(source: SourceDefinition): string {
  const { kind, types, deletes } = source.config;
  return `${requestHash(source)} ${kind} ${types?.join(",") ?? ""} ${deletes.policy}`;
}

/** The watermarks that hold for this request. */
function watermarksOf(work: RunAtWork, state: SourceState | undefined): Record<string, string> {
  const everything = work.source.config.deletes.policy === "fullExportIsComplete";
  if (everything || state?.requestHash !== requestHash(work.source)) return {};
  return { ...state.watermarks };
}

class SourceRun {
  private readonly work: RunAtWork;
  private readonly full: boolean;
  private incomplete = false;

  constructor(work: RunAtWork, full: boolean) {
    this.work = work;
    this.full = full;
  }

  /** Everything between the lease and the end of the record. Answers the state to end in. */
  async carryOut(): Promise<Exclude<RunState, "running">> {
    const before = await this.work.lake.history.latest();
    const earlier = await this.pending();
    const everything = this.full || before?.sources[this.work.source.name]?.loss !== undefined;
    if (earlier === undefined) await this.completeNew(everything);
    else {
      this.work.run.note({ resumes: earlier.run });
      await this.complete(earlier);
      const age = this.work.clock.now().getTime() - Date.parse(earlier.startedAt);
      if (age > STALE_MS) await this.completeNew(everything);
      else if (everything && !earlier.full) await this.complete(await this.everything());
    }
    await this.goOn();
    await this.timed("references", () => this.countReferences(before));
    await this.timed("views", () => this.work.turn.take(() => settle(this.work.lake, this.settling())));
    await this.publish();
    await this.timed("compare", () => this.compare());
    return this.incomplete ? "incomplete" : "succeeded";
  }

  /** What was committed stands and counts, whether it can be published now or with the next run. */
  private async publish(): Promise<void> {
    const { lake, config, source, signal, log } = this.work;
    const wanted = config.publish;
    if (wanted === undefined) return;
    const { tables, to, raw } = wanted;
    const retentionMs = durationMs(wanted.retention);
    const place = to === undefined || isRemote(to) ? to : path.resolve(source.folder, to);
    try {
      const settings = { tables, to: place, raw, retentionMs, signal };
      await this.timed("publish", () =>
        this.work.turn.take(() => publishAfterCommit(lake, settings, source.environment)),
      );
    } catch (error) {
      const code = isLakeError(error) ? error.code : "unknown";
      log?.(`${source.name}: the snapshot could not be published (${code}); the next run tries again`);
    }
  }

  private settling(): Parameters<typeof settle>[1] {
    const { views, onProgress } = this.work;
    return { views, onProgress: (phase, done, total, what) => onProgress?.(phase, done, total, what) };
  }

  private async timed<T>(step: string, work: () => Promise<T>): Promise<T> {
    const before = performance.now();
    try {
      return await work();
    } finally {
      const { durations } = this.work.run.record;
      const spent = Math.round((durations[step] ?? 0) + performance.now() - before);
      this.work.run.note({ durations: { ...durations, [step]: spent } });
    }
  }

  /** Between the steps: ends the run when it was told to stop or lost its lease. */
  private async goOn(): Promise<void> {
    const { signal } = this.work;
    if (signal.aborted) throw stopReason(signal);
    await this.work.confirmLease();
  }

  /** What an interrupted run left to be completed; one that asks for something else by now is given up. */
  private async pending(): Promise<Assignment | undefined> {
    const { workDir, source, http } = this.work;
    const found = await readAssignment(workDir);
    if (found === undefined) return undefined;
    const state = (await this.work.lake.history.latest())?.sources[source.name];
    // What was asked for before the lake was set back does not make up for what it lacks since.
    const isCurrent =
      found.loss === state?.loss?.id && found.parts.every((part) => goesOnFrom(part, state?.watermarks));
    if (found.request === assignmentHash(source) && isCurrent) return found;
    if (found.kind === "bulk") {
      const folders = found.parts.map((part) => path.join(workDir, part.name));
      for (const folder of [...folders, idsFolder(workDir)]) await cancelExport({ http, workDir: folder });
    }
    await clearWork(workDir);
    return undefined;
  }

  /**
   * What came since the watermarks, which alone tells of deletes, and then everything if that is asked for: what is asked for without a
   * beginning lists no deletes, so it leaves the watermarks where they are.
   */
  private async completeNew(everything: boolean): Promise<void> {
    const state = await this.state();
    const goesOn = Object.keys(watermarksOf(this.work, state)).length > 0;
    if (goesOn || !everything) await this.complete(await this.newAssignment({ full: false }));
    if (everything) await this.complete(await this.everything());
  }

  private async everything(): Promise<Assignment> {
    const goesOn = Object.keys(watermarksOf(this.work, await this.state())).length > 0;
    return this.newAssignment({ full: true, ...(goesOn ? { keepsWatermarks: true } : {}) });
  }

  private async state(): Promise<SourceState | undefined> {
    return (await this.work.lake.history.latest())?.sources[this.work.source.name];
  }

  private async newAssignment(what: Pick<Assignment, "full" | "keepsWatermarks">): Promise<Assignment> {
    const { source, http, views, signal, clock, run, workDir } = this.work;
    const { kind, history, types } = await this.timed("choose", () =>
      choose(source.config, http, views, signal),
    );
    const state = await this.state();
    const assignment: Assignment = {
      version: 1,
      request: assignmentHash(source),
      kind,
      history,
      ...what,
      ...(state?.loss === undefined ? {} : { loss: state.loss.id }),
      startedAt: clock.now().toISOString(),
      run: run.record.runId,
      parts: planParts(kind, types, what.full ? {} : watermarksOf(this.work, state)),
    };
    await writeAssignment(workDir, assignment);
    crashPoint("run.assignment.written");
    return assignment;
  }

  private async complete(first: Assignment): Promise<void> {
    const { run, workDir } = this.work;
    let assignment = first;
    await run.tell({ kind: assignment.kind });
    let upTo: string | undefined;
    for (const part of assignment.parts) {
      if (!part.done) {
        const completed = await this.completePart(assignment, part);
        upTo = completed.upTo;
        assignment = withDone(assignment, part.name, completed);
        await writeAssignment(workDir, assignment);
        crashPoint("run.part.done");
      }
      await this.goOn();
      await finishPart(this.work, assignment, part);
      crashPoint("run.part.finished");
    }
    await this.reconcileIfDue(assignment, upTo);
    await this.goOn();
    await this.endLoss(assignment);
    await clearAssignment(workDir);
    crashPoint("run.assignment.cleared");
  }

  /** Everything was asked for since the loss was found, and came. */
  private async endLoss({ loss, full, parts }: Assignment): Promise<void> {
    if (loss === undefined || !full || parts.some(({ incomplete }) => incomplete === true)) return;
    const { lake, source, run, fence } = this.work;
    await endLoss(lake, source.name, { id: loss, run: run.record.runId, fence });
  }

  /** Answers the server's time up to which the part holds, and whether something of it is lacking. */
  private async completePart(
    assignment: Assignment,
    part: Assignment["parts"][number],
  ): Promise<Pick<LandedPart, "incomplete" | "watermarks"> & { readonly upTo: string }> {
    const { run } = this.work;
    const batch = await this.timed("fetch", async () =>
      withReferenced(this.work, assignment, part, await fetchPart(this.work, assignment, part)),
    );
    crashPoint("run.part.fetched");
    await this.goOn();
    const before = run.record.statistics;
    const statistics = {
      requests: (before?.requests ?? 0) + batch.statistics.requests,
      retries: (before?.retries ?? 0) + batch.statistics.retries,
      bytes: (before?.bytes ?? 0) + batch.statistics.bytes,
      resumedFiles: (before?.resumedFiles ?? 0) + batch.statistics.resumedFiles,
    };
    await run.tell({ statistics });
    const landed = await this.work.turn.take(async () => {
      await this.goOn();
      return landPart(this.work, assignment, part, batch);
    });
    this.incomplete ||= landed.incomplete;
    await run.tell({
      types: { ...run.record.types, ...landed.types },
      snapshot: landed.snapshot ?? run.record.snapshot,
      warnings: [...new Set([...run.record.warnings, ...landed.warnings])],
    });
    const { incomplete, watermarks } = landed;
    return { upTo: batch.transactionTime, incomplete, watermarks };
  }

  private async reconcileIfDue(assignment: Assignment, upTo: string | undefined): Promise<void> {
    const { lake, source, run } = this.work;
    const state = (await lake.history.latest())?.sources[source.name];
    if (upTo === undefined || !reconcileIsDue(this.work, state, upTo)) return;
    const types = assignment.parts.flatMap((part) => part.types);
    await this.timed("reconcile", async () => {
      const found = await reconcile(this.work, assignment.kind, types, upTo);
      const { snapshot } = await this.work.turn.take(() => found.commit("reconcile"));
      this.incomplete ||= found.isHeldBack;
      await run.tell({
        snapshot: snapshot ?? run.record.snapshot,
        warnings: [...run.record.warnings, ...found.warnings],
      });
    });
  }

  /** Before anything is compacted: what the run brought still stands in layers of its own. */
  private async countReferences(before: Snapshot | undefined): Promise<void> {
    const { source, lake, run, http } = this.work;
    if (!source.config.completeness.references || run.record.snapshot === null) return;
    try {
      const after = before === undefined ? {} : { after: before };
      const base = http.base.href;
      run.note({ references: await unresolvedReferences(lake, { source: source.name, base, ...after }) });
    } catch (error) {
      if (!isLakeError(error) || this.work.signal.aborted) throw error;
      run.note({ warnings: [...run.record.warnings, `References were not counted: ${error.message}`] });
    }
  }

  private async compare(): Promise<void> {
    const { source, lake, run } = this.work;
    const { sample, counts } = source.config.completeness;
    if (sample === 0 && !counts) return;
    try {
      const completeness = await compareWithSource(this.work, { sample, counts });
      await commitSourceState(lake, source.name, { completeness });
      if (completeness.differences > 0) {
        run.note({
          warnings: [
            ...run.record.warnings,
            `The completeness check found ${completeness.differences} differences; see fhir-lake source check ${source.name}.`,
          ],
        });
      }
    } catch (error) {
      // The data are committed; a source that cannot be compared does not undo that.
      if (!isLakeError(error) || this.work.signal.aborted) throw error;
      run.note({ warnings: [...run.record.warnings, `The completeness check failed: ${error.message}`] });
    }
  }
}

function limitsOf(context: RunContext): Partial<IngestLimits> {
  const { maxLine, maxQuarantined, workers } = context.config.limits;
  return {
    maxLineBytes: sizeBytes(maxLine),
    workers,
    ...(maxQuarantined === undefined ? {} : { maxQuarantined }),
  };
}

function known(error: unknown): LakeError {
  if (isLakeError(error)) return error;
  return new LakeError(
    "internal",
    "source-run/unexpected",
    "Something unexpected went wrong; run again with FHIR_LAKE_DEBUG=1 to see where.",
    {
      cause: error,
    },
  );
}

/** What a run came to: always a record, and the error that ended it where there was one. */
export type RunOutcome = { readonly record: RunRecord; readonly error?: LakeError };

/**
 * Runs a source once: fetches what changed since its watermarks, lands and commits it with the new watermarks, finds deletes by the
 * source's policy, refreshes views, compares with the source, and writes all of it down. Whatever moment it is killed at, running again
 * completes it without fetching a finished file again. Errors before the run has begun are thrown (`runs/lease-held` while another
 * process runs the source); later ones stand in the outcome.
 */
export async function runSource(context: RunContext, request: RunRequest): Promise<RunOutcome> {
  const { lake, clock } = context;
  const { source } = request;
  const leasing = { store: lake.store, clock };
  const runId = newRunId(clock.now());
  const lease = await Lease.take(leasing, sourceLease(source.name), runId);
  crashPoint("run.lease.taken");
  const kept = keepLease(lease);
  const signal = AbortSignal.any([kept.signal, ...(request.signal === undefined ? [] : [request.signal])]);
  let http: FhirHttp | undefined;
  try {
    await new Ledger(leasing).closeInterrupted(source.name);
    const full = request.full === true;
    const run = await OpenRun.begin(lake.store, clock, {
      runId,
      source: source.name,
      full,
      trigger: request.trigger,
    });
    crashPoint("run.run.begun");
    try {
      http = createFhirHttp(httpSettings(source, { signal }));
      const work: RunAtWork = {
        ...context,
        source,
        http,
        run,
        fence: lease.fence,
        confirmLease: () => lease.confirm(),
        workDir: await lake.store.workDirectory(`source-${source.name}`),
        signal,
        limits: limitsOf(context),
        acceptDeletes: request.acceptDeletes === true,
      };
      const state = await new SourceRun(work, full).carryOut();
      const record = await run.end(state);
      crashPoint("run.run.ended");
      await keepByPolicy(context).catch((error: unknown) => {
        context.log?.(`retention after ${runId} failed${isLakeError(error) ? `: ${error.message}` : ""}`);
      });
      return { record };
    } catch (cause) {
      const error = signal.aborted && !isLakeError(cause) ? stopReason(signal) : known(cause);
      const stopped = request.signal?.aborted === true;
      const record = await run
        .end(stopped ? "interrupted" : "failed", { error: { code: error.code, message: error.message } })
        .catch(() => run.record);
      return { record, error };
    }
  } finally {
    await http?.close();
    await kept.stop();
    await lease.release().catch(() => undefined);
  }
}
