import type { EventStore } from "#events";
import { commitLoss, type Lake } from "#lake";
import { CHANGES_PREFIX, changeStream } from "#landing";
import { keptAfter } from "#speed";
import { SUBSCRIPTION_PREFIX } from "./receive.js";
import { followEvents } from "./subscribe/follow-state.js";

const REASON = "The lake was set back beyond what the journal keeps; everything is being fetched again.";

/**
 * Writes down that the lake lacks changes of a source which the journal no longer keeps, so that it stays known, the changes after them are taken
 * in, and the next run asks the source for everything; whoever follows the source is told to run it now. Of a source that the lake does not
 * know the first flush does so. Doing it again changes nothing.
 */
export async function declareLoss(lake: Lake, journal: EventStore, source: string): Promise<void> {
  const known = (await lake.history.latest())?.sources[source];
  if (known === undefined) return;
  const covered = known.journalPosition ?? 0;
  const { after, isWhole } = await keptAfter(journal, changeStream(source), covered);
  const declared = isWhole ? undefined : await commitLoss(lake, source, { after: covered, upTo: after });
  const loss = declared?.sources[source]?.loss ?? known.loss;
  if (loss === undefined) return;
  // After the commit, so that the run it leads to knows of the loss; by the loss's id, so that one lost to a kill is made up for once.
  const told = { ...followEvents.dirty(REASON), id: loss.id };
  await journal.append({ stream: `${SUBSCRIPTION_PREFIX}${source}`, events: [told], expected: "any" });
}

/** {@link declareLoss} of every source that has changes in the journal. */
export async function declareLosses(lake: Lake, journal: EventStore): Promise<void> {
  for (const { stream } of await journal.streams(CHANGES_PREFIX)) {
    await declareLoss(lake, journal, stream.slice(CHANGES_PREFIX.length));
  }
}
