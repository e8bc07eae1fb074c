import { type CronSchedule, CronTimes } from "#config";
import { isLakeError } from "#kernel";
import { Ledger, type RunRecord } from "#runs";
import type { RunContext } from "./context.js";
import { runAndTell } from "./run-and-tell.js";
import type { RunOutcome } from "./run-source.js";
import type { SourceDefinition } from "./source.js";
import { watched, watchStaleness } from "./staleness.js";

/** How often the schedules are looked at. Short, so that a machine that slept notices what it missed. */
const TICK_MS = 15_000;
/** A run that failed for a reason that may pass is tried again after these waits, until the next time of the schedule. */
const RETRY_AFTER_MS = [600_000, 1_800_000, 3_600_000];

/** Runs sources by their schedules. */
export interface SchedulerOptions {
  readonly context: RunContext;
  /** Those without a schedule are not run; those with a target are watched. */
  readonly sources: readonly SourceDefinition[];
  /** Ends the scheduler; a run under way stops where it is and is resumed by the next one. */
  readonly signal: AbortSignal;
  /** Told of each run that ended; for displays and tests. */
  readonly onOutcome?: (outcome: RunOutcome) => void;
  readonly tickMs?: number;
}

/** One source of a scheduler. */
class ScheduledSource {
  private readonly options: SchedulerOptions;
  private readonly source: SourceDefinition;
  private readonly times: CronTimes;
  private readonly ledger: Ledger;
  /** Times of the schedule up to here are done with. */
  private doneUntilMs = 0;
  private failures = 0;
  private retryAtMs = Number.POSITIVE_INFINITY;

  constructor(options: SchedulerOptions, source: SourceDefinition, schedule: CronSchedule) {
    this.options = options;
    this.source = source;
    this.times = new CronTimes(schedule);
    this.ledger = new Ledger({ store: options.context.lake.store, clock: options.context.clock });
  }

  /** Until the signal. Failures of a look at the ledger are logged and tried again. */
  async run(): Promise<void> {
    const { context, signal, tickMs = TICK_MS } = this.options;
    let begun = false;
    while (!signal.aborted) {
      try {
        if (!begun) await this.begin();
        begun = true;
        await this.look();
      } catch (error) {
        context.log?.(
          `${this.source.name}: ${isLakeError(error) ? error.message : "the scheduler met an unexpected error"}`,
        );
      }
      await context.clock.sleep(tickMs, signal).catch(() => undefined);
    }
  }

  private now(): number {
    return this.options.context.clock.now().getTime();
  }

  private async newest(): Promise<RunRecord | undefined> {
    return (await this.ledger.list({ source: this.source.name, limit: 1 }))[0];
  }

  /** What was missed while nobody looked counts from the last run; a source that never ran waits for its time. */
  private async begin(): Promise<void> {
    const last = await this.newest();
    this.doneUntilMs = last === undefined ? this.now() : Date.parse(last.startedAt);
    if (last?.state === "interrupted") this.retryAtMs = this.now();
  }

  private async look(): Promise<void> {
    const now = this.now();
    const due = this.times.latest(this.doneUntilMs, now);
    const retry = now >= this.retryAtMs;
    if (due === undefined && !retry) return;
    this.doneUntilMs = now;
    // Another process with the same schedule may have been faster.
    const last = await this.newest();
    const done =
      last !== undefined && last.state !== "interrupted" && Date.parse(last.startedAt) >= (due ?? now);
    if (done || last?.state === "running") return;
    if (due !== undefined) this.failures = 0;
    await this.execute();
  }

  private async execute(): Promise<void> {
    const { context, signal, onOutcome } = this.options;
    this.retryAtMs = Number.POSITIVE_INFINITY;
    try {
      const outcome = await runAndTell(context, { source: this.source, trigger: "schedule", signal });
      const { runId, state, error } = outcome.record;
      context.log?.(`${this.source.name}: run ${runId} ${state}${error === null ? "" : ` (${error.code})`}`);
      if (state === "failed" && outcome.error?.retryable === true) this.planRetry();
      onOutcome?.(outcome);
    } catch (error) {
      // Somebody else runs it right now, which is as good.
      if (!isLakeError(error, "runs/lease-held")) throw error;
    }
  }

  private planRetry(): void {
    const wait = RETRY_AFTER_MS[this.failures++];
    if (wait !== undefined) this.retryAtMs = this.now() + wait;
  }
}

/** True when some source has a schedule. */
export function hasSchedules(sources: readonly SourceDefinition[]): boolean {
  return sources.some((source) => source.config.schedule !== undefined);
}

/** True when there is something to run by schedule or to watch. */
export function hasDuties(sources: readonly SourceDefinition[]): boolean {
  return hasSchedules(sources) || watched(sources).length > 0;
}

/**
 * Runs every scheduled source at its times until the signal, each by itself, so that a slow one holds up no other, and watches all
 * sources for staleness. Times that passed while no scheduler was at work are made up for once. Resolves when the last run has stopped.
 */
export async function runScheduler(options: SchedulerOptions): Promise<void> {
  const scheduled = options.sources.flatMap((source) => {
    const { schedule } = source.config;
    return schedule === undefined ? [] : [new ScheduledSource(options, source, schedule)];
  });
  const { context, sources, signal, tickMs = TICK_MS } = options;
  const watch = watchStaleness({ context, sources, signal, tickMs });
  await Promise.all([watch, ...scheduled.map((source) => source.run())]);
}
