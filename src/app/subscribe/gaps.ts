import { missing } from "#ingestion";
import type { FollowContext } from "./context.js";
import { followEvents } from "./follow-state.js";
import type { Healer } from "./healer.js";
import { askForMissing } from "./recover.js";
import type { FollowSettings } from "./settings.js";
import type { SubscriptionKeeper } from "./subscription-keeper.js";

/** A gap is looked for again after this at the latest. */
const LOOK_MS = 1000;

/** What is done about event numbers of one source that do not fit. */
export interface GapWork {
  readonly context: FollowContext;
  readonly settings: FollowSettings;
  readonly keeper: SubscriptionKeeper;
  readonly healer: Healer;
}

/** A counter that went back is asked about: the server counts anew, or the message was only late. */
export async function askAboutCounters({ context, settings, keeper, healer }: GapWork): Promise<void> {
  const { name } = settings.source;
  for (const [id, { lowerCounter, contiguous }] of context.log.of(name).sequences) {
    if (lowerCounter === undefined || !keeper.counts(id)) continue;
    const answer = await keeper.server()?.status(id);
    const counter = answer === undefined ? lowerCounter : (answer.eventsSinceStart ?? lowerCounter);
    if (answer !== undefined && counter >= contiguous) {
      await context.log.append(name, followEvents.told(id, answer));
      continue;
    }
    await healer.mark(
      "The server counts its notifications anew; nobody knows which were lost.",
      followEvents.restarted(id, counter),
    );
  }
}

/** Has missing events told again; answers in how many milliseconds the next may be asked for. */
export async function fillGaps({ context, settings, keeper, healer }: GapWork): Promise<number> {
  const { name } = settings.source;
  const { dirty, sequences } = context.log.of(name);
  let waitMs = LOOK_MS;
  // While a run is due anyway it makes up for them too.
  if (dirty !== undefined) return waitMs;
  for (const [id, sequence] of sequences) {
    const gap = missing(sequence);
    if (gap === undefined || !keeper.counts(id)) continue;
    const nowMs = context.clock.now().getTime();
    const dueMs = (sequence.missingSinceMs ?? nowMs) + settings.graceMs;
    if (nowMs < dueMs) {
      waitMs = Math.min(waitMs, dueMs - nowMs);
      continue;
    }
    const what = gap.from === gap.to ? `Notification ${gap.from}` : `Notifications ${gap.from} to ${gap.to}`;
    const reason = `${what} did not come.`;
    await context.states.set(name, "gap", reason);
    const server = keeper.server();
    const filled =
      server !== undefined && (await askForMissing(context, { source: name, subscription: id, server, gap }));
    if (!filled) await healer.mark(reason);
    waitMs = 0;
  }
  return waitMs;
}
