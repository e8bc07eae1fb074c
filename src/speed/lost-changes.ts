import type { Snapshot } from "#lake";
import { coveredBy } from "./coverage.js";

/**
 * Of which sources answers over a snapshot may lack what was acknowledged, in a sentence for people; undefined when they lack nothing. `losses` are the
 * positions up to which the journal has lost changes of sources; a snapshot that covers them has written down that they are missing.
 */
export function lostChanges(
  snapshot: Snapshot | undefined,
  losses: ReadonlyMap<string, number>,
): string | undefined {
  const declared = Object.entries(snapshot?.sources ?? {}).flatMap(([source, { loss }]) =>
    loss === undefined ? [] : [source],
  );
  const found = [...losses].flatMap(([source, upTo]) => (coveredBy(snapshot, source) < upTo ? [source] : []));
  const sources = [...new Set([...declared, ...found])].sort();
  if (sources.length === 0) return undefined;
  return `changes that were acknowledged may be missing, until a run of it has succeeded, of ${sources.join(", ")}`;
}
