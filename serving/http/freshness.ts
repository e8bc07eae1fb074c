import { type Freshness, freshnessOf, type ReadState } from "#query";
import type { ServingDependencies } from "../context.js";

/** The freshness of answers from a state, judged now. */
export function freshnessNow(state: ReadState, dependencies: ServingDependencies): Freshness {
  return freshnessOf(state, {
    now: dependencies.clock.now(),
    stalenessTargets: dependencies.stalenessTargets,
    liveStates: dependencies.liveStates?.sourceStates() ?? [],
  });
}

/** Sources that the header names; `/freshness` has all. */
const MOST_SOURCES = 16;
const WORST_FIRST = ["error", "gap", "catching-up", "stale", "off", "batch", "live"];

/** An RFC 9651 string: printable ASCII in quotes. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, (character) => `\\${character}`)}"`;
}

/** The sources as an RFC 9651 list, worst first: `"hospital";state=live;age=0`, ages in seconds. */
function sourcesHeader({ sources }: Freshness): string {
  const sorted = [...sources].sort((a, b) => WORST_FIRST.indexOf(a.state) - WORST_FIRST.indexOf(b.state));
  const items = sorted.slice(0, MOST_SOURCES).map(({ name, state, ageSeconds, deletesVerified }) => {
    const age = ageSeconds === null ? "" : `;age=${ageSeconds}`;
    return `${quoted(name)};state=${state}${age}${deletesVerified === false ? ";deletes=?0" : ""}`;
  });
  const left = sources.length - items.length;
  return [...items, ...(left > 0 ? [`more;count=${left}`] : [])].join(", ");
}

/** The headers that say how fresh an answer is. */
export function freshnessHeaders(freshness: Freshness): Record<string, string> {
  const { snapshot, asOf, epoch, lagSeconds, state, deletesVerified, sources } = freshness;
  return {
    "X-Lake-Snapshot": String(snapshot),
    ...(epoch === null ? {} : { "X-Lake-Epoch": String(epoch) }),
    "X-Lake-As-Of": asOf,
    ...(lagSeconds === null ? {} : { "X-Lake-Lag-Seconds": String(lagSeconds) }),
    "X-Lake-State": state,
    // Some source cannot tell what was deleted there: rows of such resources may still be in the answer. GET /freshness says which.
    "X-Lake-Deletes-Verified": String(deletesVerified),
    ...(sources.length === 0 ? {} : { "X-Lake-Sources": sourcesHeader(freshness) }),
  };
}

/** What JSON documents say of their state: the parts of its freshness that time alone does not change, so that entity tags hold. */
export function freshnessMeta({
  snapshot,
  asOf,
  epoch,
  state,
  deletesVerified,
}: Freshness): Record<string, unknown> {
  return { snapshot, asOf, epoch, state, deletesVerified };
}
