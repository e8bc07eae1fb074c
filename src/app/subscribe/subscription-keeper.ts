import { setTimeout as sleep } from "node:timers/promises";
import { isDelivering, type SubscriptionServer, subscriptionServer } from "#ingestion";
import { LakeError } from "#kernel";
import type { FollowContext } from "./context.js";
import { followEvents } from "./follow-state.js";
import type { Healer } from "./healer.js";
import type { Loop } from "./loop.js";
import type { FollowSettings, KeepSettings } from "./settings.js";
import { carryOut, comparison, type KeptSubscriptions, keptSubscriptions } from "./sync.js";

const ACTIVATION_MS = 30_000;
const ACTIVATION_LOOK_MS = 250;

/** Keeps the Subscriptions of one source on its server as the configuration wants them, and knows which of them count. */
export class SubscriptionKeeper {
  private readonly context: FollowContext;
  private readonly settings: FollowSettings;
  private readonly name: string;
  private readonly healer: Healer;
  private readonly loop: Pick<Loop, "signal" | "wake">;
  private kept: KeptSubscriptions | undefined;
  private followedIds: ReadonlySet<string> | undefined;
  private checkAtMs = 0;
  private endedAtCheck = "";

  constructor(
    context: FollowContext,
    settings: FollowSettings,
    parts: { readonly healer: Healer; readonly loop: Pick<Loop, "signal" | "wake"> },
  ) {
    this.context = context;
    this.settings = settings;
    this.name = settings.source.name;
    this.healer = parts.healer;
    this.loop = parts.loop;
  }

  /** Ids of Subscriptions that count; undefined where somebody else keeps them, then every one that is heard does. */
  get followed(): ReadonlySet<string> | undefined {
    return this.followedIds;
  }

  /** The server on which Subscriptions are kept; undefined before the first look, and where somebody else keeps them. */
  get keptServer(): SubscriptionServer | undefined {
    return this.kept?.server;
  }

  counts(id: string): boolean {
    return this.followedIds?.has(id) ?? true;
  }

  /** The server's Subscriptions, also where somebody else keeps them: then nothing is written, only asked. */
  server(): SubscriptionServer | undefined {
    const source = this.context.source(this.name);
    if (this.kept !== undefined || source === undefined) return this.kept?.server;
    return subscriptionServer(source.http, { endpointBase: `urn:nothing-of:${this.name}/`, tag: undefined });
  }

  /** The next {@link check} compares, whenever it was done last. */
  lookAnew(): void {
    this.checkAtMs = 0;
  }

  /** {@link lookAnew}, and at once. */
  lookAtOnce(): void {
    this.lookAnew();
    this.loop.wake();
  }

  private now(): number {
    return this.context.clock.now().getTime();
  }

  private get heard() {
    return this.context.log.of(this.name);
  }

  /** Subscriptions of ours that said to have ended, as one text. */
  private endedNow(): string {
    return [...this.heard.ended]
      .filter((id) => this.followedIds?.has(id) === true)
      .sort()
      .join(" ");
  }

  /** Makes the server's Subscriptions what the configuration wants, when it is time to. */
  async check(): Promise<void> {
    const { keep } = this.settings;
    if (keep === undefined) return;
    if (this.now() < this.checkAtMs && this.endedNow() === this.endedAtCheck) return;
    const source = this.context.source(this.name);
    if (source === undefined) return;
    this.kept ??= await keptSubscriptions(keep, source);
    await this.putRight(this.kept, keep);
  }

  private async putRight(kept: KeptSubscriptions, keep: KeepSettings): Promise<void> {
    const actions = await comparison(kept, this.now());
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
    if (writes)
      await this.healer.mark("Subscriptions are written; what changed before they run is fetched then.");
    const done = await carryOut(kept, actions, {
      nowMs: this.now(),
      beforeReactivation: () => this.healer.beforeReactivation(),
    });
    await this.follow(done.filter(({ did }) => did !== "remove").map(({ id }) => id));
    const starting = done.filter(({ did, found }) => did !== "remove" && found?.status !== "active");
    await this.untilActive(
      kept,
      starting.map(({ id }) => id),
    );
    // A run that was under way may have made up for the first mark before they ran.
    if (starting.length > 0)
      await this.healer.mark("A Subscription has begun; what changed before is being fetched.");
    this.checkAtMs = this.now() + keep.checkEveryMs;
    this.endedAtCheck = this.endedNow();
  }

  /** Forgets the numbers of Subscriptions that are gone; nobody knows what one told that was not followed before. */
  private async follow(ids: readonly string[]): Promise<void> {
    const before = this.followedIds;
    // At the start, those that were followed when this process or another ended.
    const isKnown = (id: string): boolean => (before ?? this.heard.sequences).has(id);
    if (this.heard.dirty === undefined && !ids.every(isKnown))
      await this.healer.mark("A Subscription is followed from now on; what changed before is being fetched.");
    this.followedIds = new Set(ids);
    const gone = [...this.heard.sequences.keys(), ...this.heard.ended].filter((id) => !this.counts(id));
    if (gone.length > 0) {
      await this.context.log.append(this.name, ...[...new Set(gone)].map((id) => followEvents.gone(id)));
    }
  }

  /** Waits until what was asked for runs. */
  private async untilActive({ server }: KeptSubscriptions, ids: readonly string[]): Promise<void> {
    const until = this.now() + ACTIVATION_MS;
    const waiting = new Set(ids);
    for (;;) {
      for (const id of waiting) {
        const found = await server.read(id);
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
}

function notActive(status: string): LakeError {
  return new LakeError(
    "unavailable",
    "app/subscription-not-active",
    `A Subscription is ${status} instead of active; look whether the server reaches the address in notifications.subscribe.endpoint.`,
  );
}
