import type { MissingEvents, SubscriptionServer } from "#ingestion";
import type { FollowContext } from "./context.js";
import { followEvents } from "./follow-state.js";

/** Which notifications are missing and who is asked. */
export interface MissingRequest {
  readonly source: string;
  readonly subscription: string;
  readonly server: SubscriptionServer;
  readonly gap: MissingEvents;
}

/**
 * Has the server tell again what was missed (`$events`) and reads the resources that it names. True when every missing event came;
 * false where the server does not offer it, has forgotten some, or does not say what they were about: then only a run helps.
 */
export async function askForMissing(
  { log, fetchBack }: Pick<FollowContext, "log" | "fetchBack">,
  { source, subscription, server, gap }: MissingRequest,
): Promise<boolean> {
  const answer = await server.events(subscription, gap);
  if (answer === undefined) return false;
  const told = new Map<number, { type: string; id: string }>();
  for (const { number, focus } of answer.events) {
    if (number !== undefined && focus !== undefined && number >= gap.from && number <= gap.to)
      told.set(number, focus);
  }
  if (told.size === 0) return false;
  const references = new Map([...told.values()].map((focus) => [`${focus.type}/${focus.id}`, focus]));
  await fetchBack(source, [...references.values()]);
  // Only now: a number that is remembered must have its change remembered.
  await log.append(source, followEvents.broughtAgain(subscription, [...told.keys()]));
  return told.size === gap.to - gap.from + 1;
}
