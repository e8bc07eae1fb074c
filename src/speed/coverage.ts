import type { Snapshot } from "#lake";

/** The journal position that a snapshot covers of a source; 0 when it covers nothing, or there is no snapshot. */
export function coveredBy(snapshot: Snapshot | undefined, source: string): number {
  return snapshot?.sources[source]?.journalPosition ?? 0;
}

/** The journal positions that a snapshot covers, by source; sources without one are left out. */
export function coverageOf(snapshot: Snapshot): Map<string, number> {
  return new Map(
    Object.entries(snapshot.sources).flatMap(([source, { journalPosition }]) =>
      journalPosition === undefined ? [] : [[source, journalPosition] as const],
    ),
  );
}

/** True when a snapshot gives changes back that an earlier one covered: somebody restored an older state. */
export function coversLess(head: Snapshot, than: Snapshot | undefined): boolean {
  return Object.keys(than?.sources ?? {}).some((source) => coveredBy(head, source) < coveredBy(than, source));
}
