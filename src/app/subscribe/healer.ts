import { setTimeout as sleep } from "node:timers/promises";
import type { NewEvent } from "#events";
import { LakeError } from "#kernel";
import type { RunState } from "#runs";
import type { RunOutcome } from "../source-run/run-source.js";
import type { FollowContext } from "./context.js";
import { followEvents, missedUpTo } from "./follow-state.js";
import { unlessAborted } from "./loop.js";

/** Searches end at whole seconds: a run that begins a second later has everything of the second in it. */
const SETTLE_MS = 1100;
const RETRY_MS = 2000;
const MOST_RETRY_MS = 300_000;

/** Makes up for what may be missing of one source by running it. */
export class Healer {
  private readonly context: FollowContext;
  private readonly name: string;
  private readonly signal: AbortSignal;
  private healAtMs = 0;
  private caughtUpAtMs = 0;
  private failures = 0;

  /** `signal` ends what is waited for. */
  constructor(context: FollowContext, name: string, signal: AbortSignal) {
    this.context = context;
    this.name = name;
    this.signal = signal;
  }

  /** True while a run that failed waits to be tried again; it has said so. */
  get isPutOff(): boolean {
    return this.healAtMs > 0;
  }

  private get heard() {
    return this.context.log.of(this.name);
  }

  private now(): number {
    return this.context.clock.now().getTime();
  }

  /** Remembers that something may be missing, together with the facts that say so: a run is due. */
  async mark(reason: string, ...facts: readonly NewEvent[]): Promise<void> {
    await this.context.log.append(this.name, followEvents.dirty(reason), ...facts);
    this.healAtMs = 0;
  }

  /** Catches up when something may be missing, or when the last time is `everyMs` ago. True when there was something to do. */
  async heal(everyMs: number | undefined): Promise<boolean> {
    const isDue = everyMs !== undefined && this.now() - this.caughtUpAtMs >= everyMs;
    if (this.heard.dirty === undefined && !isDue) return false;
    if (this.now() < this.healAtMs) return false;
    await this.catchUp();
    return true;
  }

  /** The outcome of a run that asks for everything that changed before this call. */
  private async run(): Promise<RunOutcome | undefined> {
    for (;;) {
      const outcome = await unlessAborted(this.context.catchUp.run(this.name), this.signal);
      // What a run resumes ends where the one before it was to end: what came since needs one of its own.
      if (outcome?.record.state !== "succeeded" || outcome.record.resumes === null) return outcome;
    }
  }

  /** Runs the source; `succeeded` when that made up for everything that was known to be missing when it began. */
  private async catchUp(): Promise<RunState | undefined> {
    const { dirty } = this.heard;
    if (dirty !== undefined) await this.context.states.set(this.name, "catching-up", dirty.reason);
    await sleep(SETTLE_MS, undefined, { signal: this.signal });
    const { dirty: newest } = this.heard;
    const missed = missedUpTo(this.heard);
    const outcome = await this.run();
    if (outcome?.record.state !== "succeeded") {
      const state = outcome?.record.error?.code ?? outcome?.record.state ?? "not run";
      this.healAtMs = this.now() + Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** this.failures++);
      if (dirty !== undefined) {
        await this.context.states.set(this.name, "gap", `${dirty.reason} The run that fetches it: ${state}.`);
      }
      return outcome?.record.state;
    }
    await unlessAborted(this.context.rows.refresh(), this.signal);
    const settled = [...missed].map(([id, upTo]) => followEvents.settled(id, upTo));
    const healed = newest === undefined ? [] : [followEvents.healed(newest.position)];
    if (settled.length + healed.length > 0) await this.context.log.append(this.name, ...settled, ...healed);
    this.caughtUpAtMs = this.now();
    this.healAtMs = 0;
    this.failures = 0;
    return "succeeded";
  }

  /** Catches up with what ended Subscriptions missed, before they are asked for again. Error: `app/not-caught-up`. */
  async beforeReactivation(): Promise<void> {
    await this.mark("The server ended a Subscription; what it missed is being fetched.");
    const state = await this.catchUp();
    // One that lacks a type, or holds deletes back, may lack them for long: notifications of all else are not to wait for it.
    if (state !== "succeeded" && state !== "incomplete") {
      throw new LakeError(
        "unavailable",
        "app/not-caught-up",
        "A Subscription has ended and the run that fetches what it missed did not succeed; it is tried again.",
      );
    }
    // What changes from now until it runs again is fetched once it does.
    await this.mark("A Subscription begins again; what changed meanwhile is being fetched.");
  }
}
