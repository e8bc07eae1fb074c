import type { EventStore } from "#events";
import {
  type FhirHttp,
  pollType,
  type ReceiverPorts,
  readCapabilities,
  type TypeCapabilities,
} from "#ingestion";
import { isLakeError, LakeError, mapConcurrently } from "#kernel";
import type { Lake } from "#lake";
import type { SourceLiveCode } from "#speed";
import type { FetchSource } from "../fetch-back/index.js";
import type { FollowContext } from "./context.js";
import { Healer } from "./healer.js";
import { HealingBeside } from "./healing-beside.js";
import { Loop, unlessAborted } from "./loop.js";
import { PolledRecorder } from "./record-polled.js";
import { SeenVersions } from "./seen-versions.js";
import type { FollowSettings, PollSettings } from "./settings.js";
import { tellLive } from "./tell-live.js";

/** What polling needs beside what all followers do. */
export interface PollContext extends FollowContext {
  readonly lake: Lake;
  readonly journal: EventStore;
  /** Where what is found goes. */
  readonly ports: ReceiverPorts;
}

const AT_ONCE = 4;
const RETRY_MS = 2000;
const MOST_RETRY_MS = 60_000;
const LACKING = "The source said that it did not tell all that changed.";
/** While something may be missing, the run that fetches it is looked after so often. */
const HEAL_LOOK_MS = 1000;

/** Of the machine's own clock: one that people set would stop polling for as long as it is set back. */
function monotonicMs(): number {
  return performance.now();
}

/**
 * Asks a source again and again what changed, for servers that notify nobody, and has runs make up for what polling could not settle. What
 * goes wrong stands in the source's state until it works again: `app/not-pollable`, `app/not-loaded`, `app/history-gone` and errors of requests.
 */
export class Poller {
  private readonly context: PollContext;
  private readonly settings: FollowSettings;
  private readonly poll: PollSettings;
  private readonly name: string;
  private readonly recorder: PolledRecorder;
  private readonly loop: Loop;
  private readonly healer: Healer;
  private readonly healing: HealingBeside;
  private readonly seen = new SeenVersions();
  private types: readonly TypeCapabilities[] | undefined;
  private pollAtMs = 0;
  /** Why the last look failed; undefined after one that came through. */
  private problem: string | undefined;
  private failures = 0;

  constructor(context: PollContext, settings: FollowSettings, poll: PollSettings) {
    this.context = context;
    this.settings = settings;
    this.poll = poll;
    this.name = settings.source.name;
    this.recorder = new PolledRecorder(context, settings.source);
    this.loop = new Loop({
      step: () => this.step(),
      failed: (error) => this.failed(error),
    });
    const { signal } = this.loop;
    this.healer = new Healer(context, this.name, signal);
    this.healing = new HealingBeside(this.healer, {
      signal,
      onError: context.onError,
      done: () => this.loop.wake(),
    });
  }

  /** Something was written to the source's stream: what may be missing is seen to at once, but the source is polled no sooner. */
  wake(): void {
    this.loop.wake();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    await this.healing.ended();
  }

  private now(): number {
    return this.context.clock.now().getTime();
  }

  private get dirty() {
    return this.context.log.of(this.name).dirty;
  }

  private async step(): Promise<number> {
    const source = this.context.source(this.name);
    if (source === undefined) return MOST_RETRY_MS;
    if (monotonicMs() >= this.pollAtMs) await this.lookAtAll(source);
    if (this.dirty !== undefined) this.healing.begin();
    await this.tell();
    const waitMs = this.pollAtMs - monotonicMs();
    return this.dirty === undefined ? waitMs : Math.min(waitMs, HEAL_LOOK_MS);
  }

  /** What failed beside polling itself: the journal that its state is written to. */
  private async failed(error: unknown): Promise<number> {
    this.context.onError?.(error);
    return RETRY_MS;
  }

  /** Says how the source stands. */
  private async tell(): Promise<void> {
    const { states } = this.context;
    const { dirty, problem } = this;
    if (problem !== undefined) await states.set(this.name, "error", problem);
    else if (dirty === undefined) await tellLive(this.context, this.name);
    else if (!this.isTold(states.sourceState(this.name)?.state))
      await states.set(this.name, "catching-up", dirty.reason);
  }

  /** Whether a state says of what is missing what can be said: a run that is under way or failed has said so itself. */
  private isTold(state: SourceLiveCode | undefined): boolean {
    if (state === "gap") return this.healing.isUnderWay || this.healer.isPutOff;
    return state === "catching-up";
  }

  /** One look at every type. A failure is kept for {@link tell}, so that runs make up for what is missing all the same. */
  private async lookAtAll({ http }: FetchSource): Promise<void> {
    const startedMs = monotonicMs();
    try {
      this.types ??= await this.pollable(http);
      const begun = await this.begun(this.types);
      await mapConcurrently(begun, AT_ONCE, ({ capabilities, sinceMs }) =>
        this.look(http, capabilities, sinceMs),
      );
      this.problem = undefined;
      this.failures = 0;
      this.pollAtMs = startedMs + this.poll.everyMs;
    } catch (error) {
      if (this.loop.signal.aborted) throw error;
      this.context.onError?.(error);
      this.problem = isLakeError(error) ? error.message : "The source could not be polled.";
      const waitMs = Math.max(this.poll.everyMs, RETRY_MS * 2 ** this.failures++);
      this.pollAtMs = monotonicMs() + Math.min(MOST_RETRY_MS, waitMs);
    }
  }

  /** The types of the source that can be asked for what changed. */
  private async pollable(http: FhirHttp): Promise<readonly TypeCapabilities[]> {
    const { types } = await readCapabilities({
      http,
      types: this.settings.source.config.types,
      signal: this.loop.signal,
    });
    // A type without resources does not show whether it can be searched by time.
    const not = types.filter(
      ({ lastUpdated, history }) => !["honoured", "unknown"].includes(lastUpdated) && !history,
    );
    if (types.length === 0 || not.length > 0) {
      throw new LakeError(
        "invalid-input",
        "app/not-pollable",
        `The source ${this.name} cannot be asked what changed of ${not.map(({ type }) => type).join(", ") || "any type"}; leave out notifications.poll and run it by schedule.`,
      );
    }
    return types;
  }

  private mark(type: string): string {
    return `poll/${this.name}/${type}`;
  }

  /** From where each type is asked for: the last look, else what the runs have; a type that neither has is loaded by a run first. */
  private async begun(
    types: readonly TypeCapabilities[],
  ): Promise<{ capabilities: TypeCapabilities; sinceMs: number }[]> {
    for (let again = false; ; again = true) {
      const watermarks = (await this.context.lake.history.latest())?.sources[this.name]?.watermarks;
      const begun: { capabilities: TypeCapabilities; sinceMs: number }[] = [];
      for (const capabilities of types) {
        const watermark = Date.parse(watermarks?.[capabilities.type] ?? "");
        const mark = await this.context.journal.checkpoint(this.mark(capabilities.type));
        if (mark > 0) begun.push({ capabilities, sinceMs: mark });
        else if (!Number.isNaN(watermark)) begun.push({ capabilities, sinceMs: watermark });
      }
      if (begun.length === types.length) return begun;
      if (again) {
        throw new LakeError(
          "unavailable",
          "app/not-loaded",
          `The source ${this.name} is polled once a run has loaded all of its types; see fhir-lake runs --source ${this.name}.`,
        );
      }
      await this.context.states.set(
        this.name,
        "catching-up",
        "The source is being loaded for the first time.",
      );
      const outcome = await unlessAborted(this.context.catchUp.run(this.name), this.loop.signal);
      if (outcome?.error !== undefined) throw outcome.error;
      await unlessAborted(this.context.rows.refresh(), this.loop.signal);
    }
  }

  /** One look at a type. Its mark moves at the end alone: a look that ends early is done again, less what it has taken. */
  private async look(http: FhirHttp, { type, history }: TypeCapabilities, sinceMs: number): Promise<void> {
    const { overlapMs, everyMs } = this.poll;
    const startedMs = this.now();
    const end = await pollType(
      {
        http,
        type,
        history,
        sinceMs: sinceMs - overlapMs,
        pageSize: this.settings.source.config.pageSize,
        signal: this.loop.signal,
      },
      async (changes) => {
        await this.recorder.record(this.seen.newOf(changes));
        this.seen.add(changes, this.now());
      },
    );
    if (!end.isOffered) {
      // It may be searchable instead; and what it says of itself may have changed with it.
      this.types = undefined;
      throw historyGone(this.name, type);
    }
    if (!end.isComplete) await this.context.ports.missed(this.name, LACKING);
    // After the changes are durable; marks never go back.
    if (end.serverMs !== undefined && end.serverMs > sinceMs)
      await this.context.journal.saveCheckpoint(this.mark(type), end.serverMs);
    // A version that is older than the overlap does not come again.
    this.seen.forget(type, startedMs - 2 * overlapMs - 10 * everyMs);
  }
}

function historyGone(source: string, type: string): LakeError {
  return new LakeError(
    "unavailable",
    "app/history-gone",
    `The source ${source} does not answer for the history of ${type} any more; look whether its server still offers it to these credentials. It is asked anew what it offers.`,
  );
}
