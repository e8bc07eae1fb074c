import { setTimeout as sleep } from "node:timers/promises";
import { isDelivering, missing, type SubscriptionServer, subscriptionServer } from "#ingestion";
import { isLakeError, LakeError } from "#kernel";
import type { FollowContext } from "./context.js";
import { followEvents, missedUpTo } from "./follow-state.js";
import { Loop, unlessAborted } from "./loop.js";
import { askForMissing } from "./recover.js";
import type { FollowSettings } from "./settings.js";
import { carryOut, comparison, type KeptSubscriptions, keptSubscriptions } from "./sync.js";

/** Searches end at whole seconds: a run that begins a second later has everything of the second in it. */
const SETTLE_MS = 1100;
const ACTIVATION_MS = 30_000;
const ACTIVATION_LOOK_MS = 250;
const LOOK_MS = 1000;
const RETRY_MS = 2000;
const MOST_RETRY_MS = 300_000;

/** Follows the notifications of one source: keeps its Subscriptions, sees gaps and has them filled, and says how it stands. */
export class SourceFollower {
  private readonly context: FollowContext;
  private readonly settings: FollowSettings;
  private readonly name: string;
  private readonly loop: Loop;
  private kept: KeptSubscriptions | undefined;
  /** Subscriptions that count; undefined where somebody else keeps them, then every one that is heard does. */
  private followed: ReadonlySet<string> | undefined;
  private checkAtMs = 0;
  private healAtMs = 0;
  private caughtUpAtMs = 0;
  private failures = 0;
  private healFailures = 0;
  private endedAtCheck = "";
  /** Why nothing is heard although the server says that it sends. */
  private silence: string | undefined;
  private listenAtMs = 0;

  constructor(context: FollowContext, settings: FollowSettings) {
    this.context = context;
    this.settings = settings;
    this.name = settings.source.name;
    this.loop = new Loop({
      step: () => this.step(),
      failed: (error) => this.failed(error),
    });
  }

  /** Something was written to the source's stream. */
  wake(): void {
    this.loop.wake();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private now(): number {
    return this.context.clock.now().getTime();
  }

  private get heard() {
    return this.context.log.of(this.name);
  }

  private counts(id: string): boolean {
    return this.followed?.has(id) ?? true;
  }

  private async step(): Promise<number> {
    const { keep } = this.settings;
    if (keep !== undefined && this.isCheckDue()) await this.check();
    await this.askAboutCounters();
    const waitMs = await this.fillGaps();
    await this.listen();
    await this.heal();
    await this.tell();
    this.failures = 0;
    return Math.min(LOOK_MS, waitMs);
  }

  private async failed(error: unknown): Promise<number> {
    this.context.onError?.(error);
    const reason = isLakeError(error) ? error.message : "The source's server could not be asked.";
    await this.context.states.set(this.name, "error", reason);
    // Whatever it was, it is looked at anew.
    this.checkAtMs = 0;
    return Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** this.failures++);
  }

  private isCheckDue(): boolean {
    return this.now() >= this.checkAtMs || this.endedNow() !== this.endedAtCheck;
  }

  /** Subscriptions of ours that said to have ended, as one text. */
  private endedNow(): string {
    return [...this.heard.ended]
      .filter((id) => this.followed?.has(id) === true)
      .sort()
      .join(" ");
  }

  /** The server's Subscriptions, also where somebody else keeps them: then nothing is written, only asked. */
  private server(): SubscriptionServer | undefined {
    const source = this.context.source(this.name);
    if (this.kept !== undefined || source === undefined) return this.kept?.server;
    return subscriptionServer(source.http, { endpointBase: `urn:nothing-of:${this.name}/`, tag: undefined });
  }

  /** Makes the server's Subscriptions what the configuration wants. */
  private async check(): Promise<void> {
    const { keep } = this.settings;
    const source = this.context.source(this.name);
    if (keep === undefined || source === undefined) return;
    this.kept ??= await keptSubscriptions(keep, source);
    const actions = await comparison(this.kept, this.now());
    const ended = actions.flatMap((action) => (action.kind === "reactivate" ? [action.found] : []));
    if (ended.length > 0) {
      await this.context.states.set(
        this.name,
        "error",
        `The server has set a Subscription to ${ended[0]!.status}; what it missed is fetched, then it is asked for again.`,
      );
    }
    const writes = actions.some(({ kind }) => kind !== "keep" && kind !== "remove");
    // Before anything is written, so that nobody who ends here forgets it.
    if (writes) await this.mark("Subscriptions are written; what changed before they run is fetched then.");
    const done = await carryOut(this.kept, actions, {
      nowMs: this.now(),
      beforeReactivation: () => this.mustCatchUp(),
    });
    const current = done.filter(({ did }) => did !== "remove").map(({ id }) => id);
    await this.follow(current);
    const starting = done.filter(({ did, found }) => did !== "remove" && found?.status !== "active");
    await this.untilActive(starting.map(({ id }) => id));
    this.checkAtMs = this.now() + keep.checkEveryMs;
    this.endedAtCheck = this.endedNow();
  }

  /** Forgets the numbers of Subscriptions that are gone; nobody knows what one told that was not followed before. */
  private async follow(ids: readonly string[]): Promise<void> {
    const before = this.followed;
    // At the start, those that were followed when this process or another ended.
    const isKnown = (id: string): boolean => (before ?? this.heard.sequences).has(id);
    if (this.heard.dirty === undefined && !ids.every(isKnown))
      await this.mark("A Subscription is followed from now on; what changed before is being fetched.");
    this.followed = new Set(ids);
    const gone = [...this.heard.sequences.keys(), ...this.heard.ended].filter((id) => !this.counts(id));
    if (gone.length > 0) {
      await this.context.log.append(this.name, ...[...new Set(gone)].map((id) => followEvents.gone(id)));
    }
  }

  /** Waits until what was asked for runs. */
  private async untilActive(ids: readonly string[]): Promise<void> {
    const until = this.now() + ACTIVATION_MS;
    const waiting = new Set(ids);
    for (;;) {
      for (const id of waiting) {
        const found = await this.kept!.server.read(id);
        // One that somebody removed meanwhile is made again by the next look.
        if (found === undefined || found.status === "active") waiting.delete(id);
        // A handshake that failed: the next look reactivates it.
        else if (!isDelivering(found)) throw notActive(found.status);
      }
      if (waiting.size === 0) return;
      if (this.now() >= until) throw notActive("requested");
      await sleep(ACTIVATION_LOOK_MS, undefined, { signal: this.loop.signal });
    }
  }

  private async mark(reason: string): Promise<void> {
    await this.context.log.append(this.name, followEvents.dirty(reason));
    this.healAtMs = 0;
  }

  /** A counter that went back is asked about: the server counts anew, or the message was only late. */
  private async askAboutCounters(): Promise<void> {
    for (const [id, { lowerCounter, contiguous }] of this.heard.sequences) {
      if (lowerCounter === undefined || !this.counts(id)) continue;
      const answer = await this.server()?.status(id);
      const counter = answer === undefined ? lowerCounter : (answer.eventsSinceStart ?? lowerCounter);
      if (answer !== undefined && counter >= contiguous) {
        await this.context.log.append(
          this.name,
          followEvents.heard({ ...facts(answer), subscription: id, type: "query-status" }),
        );
        continue;
      }
      await this.context.log.append(this.name, followEvents.restarted(id, counter));
      await this.mark("The server counts its notifications anew; nobody knows which were lost.");
    }
  }

  /** Has missing events told again; answers in how long the next may be asked for. */
  private async fillGaps(): Promise<number> {
    const { dirty, sequences } = this.heard;
    let waitMs = LOOK_MS;
    // While a run is due anyway it makes up for them too.
    if (dirty !== undefined) return waitMs;
    for (const [id, sequence] of sequences) {
      const gap = missing(sequence);
      if (gap === undefined || !this.counts(id)) continue;
      const dueMs = (sequence.missingSinceMs ?? this.now()) + this.settings.graceMs;
      if (this.now() < dueMs) {
        waitMs = Math.min(waitMs, dueMs - this.now());
        continue;
      }
      const what =
        gap.from === gap.to ? `Notification ${gap.from}` : `Notifications ${gap.from} to ${gap.to}`;
      const reason = `${what} did not come.`;
      await this.context.states.set(this.name, "gap", reason);
      const server = this.server();
      const filled =
        server !== undefined &&
        (await askForMissing(this.context, { source: this.name, subscription: id, server, gap }));
      if (!filled) await this.mark(reason);
      waitMs = 0;
    }
    return waitMs;
  }

  /** Notices that nothing is heard any more. */
  private async listen(): Promise<void> {
    const heartbeatMs = this.settings.keep?.heartbeatMs;
    if (heartbeatMs === undefined || this.kept === undefined || this.followed === undefined) return;
    const quiet = [...this.followed].filter((id) => {
      const sequence = this.heard.sequences.get(id);
      return sequence === undefined || this.now() - sequence.heardMs > 2 * heartbeatMs;
    });
    if (quiet.length === 0) {
      this.silence = undefined;
      return;
    }
    if (this.now() < this.listenAtMs) return;
    this.listenAtMs = this.now() + heartbeatMs;
    for (const id of quiet) await this.askWhether(id);
  }

  private async askWhether(id: string): Promise<void> {
    const { server } = this.kept!;
    const found = await server.read(id);
    if (found?.status !== "active" && found?.status !== "requested") {
      // Gone, in error or off: compared and put right at once.
      this.checkAtMs = 0;
      this.loop.wake();
      return;
    }
    this.silence = "No heartbeat is heard although the server says that it sends.";
    const answer = await server.status(id);
    const known = this.heard.sequences.get(id);
    if (answer?.eventsSinceStart === undefined || known === undefined) {
      await this.mark(this.silence);
    } else if (answer.eventsSinceStart < known.contiguous) {
      await this.context.log.append(this.name, followEvents.restarted(id, answer.eventsSinceStart));
      await this.mark("The server counts its notifications anew; nobody knows which were lost.");
    } else if (answer.eventsSinceStart > known.contiguous) {
      await this.mark(`${this.silence} It has sent ${answer.eventsSinceStart - known.contiguous} since.`);
    }
  }

  /** Catches up when something may be missing, or when unnumbered notifications have gone unchecked for long. */
  private async heal(): Promise<void> {
    const every = this.settings.keep?.catchUpEveryMs;
    const isDue = every !== undefined && this.now() - this.caughtUpAtMs >= every;
    if (this.heard.dirty === undefined && !isDue) return;
    if (this.now() < this.healAtMs) return;
    await this.catchUp();
  }

  /** True when a run has made up for everything that was known to be missing when it began. */
  private async catchUp(): Promise<boolean> {
    const { dirty } = this.heard;
    if (dirty !== undefined) await this.context.states.set(this.name, "catching-up", dirty.reason);
    await sleep(SETTLE_MS, undefined, { signal: this.loop.signal });
    const { dirty: newest } = this.heard;
    const missed = missedUpTo(this.heard);
    const outcome = await unlessAborted(this.context.catchUp.run(this.name), this.loop.signal);
    if (outcome?.record.state !== "succeeded") {
      const state = outcome?.record.error?.code ?? outcome?.record.state ?? "not run";
      this.healAtMs = this.now() + Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** this.healFailures++);
      if (dirty !== undefined) {
        await this.context.states.set(this.name, "gap", `${dirty.reason} The run that fetches it: ${state}.`);
      }
      return false;
    }
    await this.context.rows.refresh();
    const settled = [...missed].map(([id, upTo]) => followEvents.settled(id, upTo));
    const healed = newest === undefined ? [] : [followEvents.healed(newest.position)];
    if (settled.length + healed.length > 0) await this.context.log.append(this.name, ...settled, ...healed);
    this.caughtUpAtMs = this.now();
    this.healFailures = 0;
    return true;
  }

  private async mustCatchUp(): Promise<void> {
    await this.mark("The server ended a Subscription; what it missed is being fetched.");
    if (!(await this.catchUp())) {
      throw new LakeError(
        "unavailable",
        "app/not-caught-up",
        "A Subscription has ended and the run that fetches what it missed did not succeed; it is tried again.",
      );
    }
    // What changes from now until it runs again is fetched once it does.
    await this.mark("A Subscription begins again; what changed meanwhile is being fetched.");
  }

  /** Says how the source stands. */
  private async tell(): Promise<void> {
    const { states } = this.context;
    const { dirty } = this.heard;
    const before = states.sourceState(this.name)?.state;
    if (dirty !== undefined) {
      // A run that failed said so; one that is due comes with the next step.
      if (before !== "gap" || this.healAtMs === 0) await states.set(this.name, "catching-up", dirty.reason);
      return;
    }
    if (this.silence !== undefined) {
      await states.set(this.name, "gap", this.silence);
      return;
    }
    await states.set(this.name, "live");
  }
}

function facts(answer: { eventsSinceStart: number | undefined; status: string | undefined }): {
  eventsSinceStart?: number;
  numbers: readonly number[];
  status?: string;
} {
  const { eventsSinceStart, status } = answer;
  return {
    numbers: [],
    ...(eventsSinceStart === undefined ? {} : { eventsSinceStart }),
    ...(status === undefined ? {} : { status }),
  };
}

function notActive(status: string): LakeError {
  return new LakeError(
    "unavailable",
    "app/subscription-not-active",
    `A Subscription is ${status} instead of active; look whether the server reaches the address in notifications.subscribe.endpoint.`,
  );
}
