import type { FoundSubscription } from "./found.js";
import type { WantedSubscription } from "./wanted.js";

/** What to do with one Subscription. */
export type SubscriptionAction =
  | { readonly kind: "create"; readonly wanted: WantedSubscription }
  /** It differs from what is wanted, or ends soon. */
  | {
      readonly kind: "update";
      readonly why: "changed" | "renew";
      readonly found: FoundSubscription;
      readonly wanted: WantedSubscription;
    }
  /** The server has ended it: it is asked for again, but only after what it missed was fetched. */
  | { readonly kind: "reactivate"; readonly found: FoundSubscription; readonly wanted: WantedSubscription }
  /** Ours, and not (or twice) wanted. */
  | { readonly kind: "remove"; readonly found: FoundSubscription }
  | { readonly kind: "keep"; readonly found: FoundSubscription };

/** What the comparison goes by. */
export interface PlanSettings {
  readonly nowMs: number;
  /**
   * Subscriptions get an end so far ahead, and a new one when half of it is over (the configuration sees to it that a comparison comes within
   * the other half); undefined: they are to have none.
   */
  readonly lifetimeMs: number | undefined;
}

const RANK: Readonly<Record<string, number>> = { active: 0, requested: 1 };

/** Active ones first, then by id, so that two processes keep the same one. */
function best(found: readonly FoundSubscription[]): FoundSubscription[] {
  return [...found].sort(
    (a, b) => (RANK[a.status] ?? 2) - (RANK[b.status] ?? 2) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  );
}

function isDue({ end }: FoundSubscription, { nowMs, lifetimeMs }: PlanSettings): boolean {
  if (end === undefined) return lifetimeMs !== undefined;
  const endMs = Date.parse(end);
  if (Number.isNaN(endMs)) return true;
  // Without a lifetime the end is an older configuration's: it goes before it comes near.
  return endMs - nowMs < (lifetimeMs ?? 86_400_000) / 2;
}

/** True while the server delivers, or is about to. */
export function isDelivering({ status }: FoundSubscription): boolean {
  return status in RANK;
}

/**
 * Compares what is wanted with what the server has. Subscriptions that are not ours are in no action. Carrying a plan out and
 * comparing again gives only `keep`, whoever else does the same at the same time.
 */
export function planSubscriptions(
  wanted: readonly WantedSubscription[],
  found: readonly FoundSubscription[],
  settings: PlanSettings,
): SubscriptionAction[] {
  const ours = found.filter(({ isOurs }) => isOurs);
  const byKey = new Map(wanted.map((one) => [one.key, one]));
  const actions: SubscriptionAction[] = [];
  for (const [key, one] of byKey) {
    const [first, ...more] = best(ours.filter((candidate) => candidate.key === key));
    if (first === undefined) actions.push({ kind: "create", wanted: one });
    else if (!isDelivering(first)) actions.push({ kind: "reactivate", found: first, wanted: one });
    else if (first.form !== one.form)
      actions.push({ kind: "update", why: "changed", found: first, wanted: one });
    else if (isDue(first, settings))
      actions.push({ kind: "update", why: "renew", found: first, wanted: one });
    else actions.push({ kind: "keep", found: first });
    for (const extra of more) actions.push({ kind: "remove", found: extra });
  }
  for (const extra of ours) if (!byKey.has(extra.key)) actions.push({ kind: "remove", found: extra });
  return actions;
}

/** The end that a Subscription gets now; a whole second, as some servers keep no more. */
export function newEnd({ nowMs, lifetimeMs }: PlanSettings): string | undefined {
  if (lifetimeMs === undefined) return undefined;
  return new Date(Math.floor((nowMs + lifetimeMs) / 1000) * 1000).toISOString();
}
