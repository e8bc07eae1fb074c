import {
  type FoundSubscription,
  newEnd,
  planSubscriptions,
  type SubscribeSettings,
  type SubscriptionAction,
  type SubscriptionServer,
  subscriptionServer,
  wantedSubscriptions,
} from "#ingestion";
import type { FetchSource } from "../fetch-back/index.js";
import { dialectOf, type KeepSettings } from "./settings.js";

/** The Subscriptions of one source as they should be, and the server that has them. */
export interface KeptSubscriptions {
  readonly server: SubscriptionServer;
  readonly settings: SubscribeSettings;
  readonly keep: KeepSettings;
}

/** Asks the server what it speaks. Errors: `app/no-such-subscriptions` and those of requests. */
export async function keptSubscriptions(
  keep: KeepSettings,
  { http }: Pick<FetchSource, "http">,
): Promise<KeptSubscriptions> {
  const server = subscriptionServer(http, keep.subscribe);
  const dialect = dialectOf(keep.kind, await server.fhirVersion());
  return { server, settings: { ...keep.subscribe, dialect }, keep };
}

/** What the configuration wants against what the server has. */
export async function comparison(kept: KeptSubscriptions, nowMs: number): Promise<SubscriptionAction[]> {
  const found = await kept.server.list();
  const { lifetimeMs } = kept.keep;
  return planSubscriptions(wantedSubscriptions(kept.settings), found, { nowMs, lifetimeMs });
}

/** One Subscription after a plan was carried out. */
export interface SyncedSubscription {
  readonly id: string;
  readonly about: string;
  readonly did: SubscriptionAction["kind"];
  /** Undefined for what was written just now. */
  readonly found: FoundSubscription | undefined;
}

/** What {@link carryOut} needs beside the plan. */
export interface CarryOutOptions {
  readonly nowMs: number;
  /** Catches up with what ended Subscriptions missed; they are asked for again only after it has resolved. */
  readonly beforeReactivation: () => Promise<void>;
}

/**
 * Carries a plan out, Subscriptions to be reactivated last: what they missed is fetched first, because a server may forget its events once
 * the subscription runs again. Creating comes before removing, so that nothing is left without a Subscription in between.
 */
export async function carryOut(
  { server, keep }: KeptSubscriptions,
  actions: readonly SubscriptionAction[],
  options: CarryOutOptions,
): Promise<SyncedSubscription[]> {
  const end = newEnd({ nowMs: options.nowMs, lifetimeMs: keep.lifetimeMs });
  const done: SyncedSubscription[] = [];
  const note = (action: SubscriptionAction, id: string, about: string): void => {
    const found = action.kind === "keep" || action.kind === "remove" ? action.found : undefined;
    done.push({ id, about, did: action.kind, found });
  };
  for (const action of actions) {
    if (action.kind === "create") {
      const resource = action.wanted.resource({ end });
      note(action, await server.create(resource), String(resource["topic"] ?? resource["criteria"]));
    } else if (action.kind === "update") {
      const { id, about } = action.found;
      await server.update(id, action.wanted.resource({ id, end }));
      note(action, id, about);
    } else if (action.kind === "keep") note(action, action.found.id, action.found.about);
  }
  const ended = actions.filter((action) => action.kind === "reactivate");
  if (ended.length > 0) await options.beforeReactivation();
  for (const action of ended) {
    const { id, about } = action.found;
    await server.update(id, action.wanted.resource({ id, end }));
    note(action, id, about);
  }
  for (const action of actions) {
    if (action.kind !== "remove") continue;
    await server.remove(action.found.id);
    note(action, action.found.id, action.found.about);
  }
  return done;
}
