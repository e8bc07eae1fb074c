import type { Lake, Snapshot } from "#lake";
import { latestPublication, type PublishedTable } from "./publication.js";
import { publishableNames, publishableTable } from "./table-request.js";
import type { PublishTarget } from "./target.js";

/** How far publication is behind the lake. */
export interface PublishStatus {
  readonly head: number;
  readonly headCommittedAt: string;
  /** The newest snapshot that every published table holds; undefined before the first publication. */
  readonly published: number | undefined;
  readonly publishedAt: string | undefined;
  /** Snapshots between the two; undefined before the first publication. */
  readonly lagSnapshots: number | undefined;
  readonly tables: readonly {
    readonly name: string;
    readonly snapshot: number | undefined;
    readonly version: number | undefined;
    readonly rows: number | undefined;
    /** False for a published table that the lake no longer has, or whose view is not ready. */
    readonly inLake: boolean;
  }[];
}

/** The snapshot that plain readers see, as the last publication recorded it: the least one of all published tables still in the lake. */
export async function publishedSnapshot(
  lake: Lake,
  target: PublishTarget,
): Promise<{ readonly snapshot: number; readonly publishedAt: string } | undefined> {
  const { published, publishedAt } = await publishStatus(lake, target);
  return published === undefined ? undefined : { snapshot: published, publishedAt: publishedAt! };
}

/** The newest snapshot whose rows a published table holds: also later ones that changed nothing of it. */
function holds(lake: Lake, head: Snapshot, name: string, recorded: PublishedTable): number {
  if (recorded.snapshot >= head.id) return recorded.snapshot;
  const same = [false, true].some(
    (raw) => publishableTable(lake, head, name, raw).fingerprint === recorded.fingerprint,
  );
  return same ? head.id : recorded.snapshot;
}

/** What is published of which snapshot, against the newest snapshot. Errors: `lake/empty`. */
export async function publishStatus(lake: Lake, target: PublishTarget): Promise<PublishStatus> {
  const head = await lake.head();
  const publication = await latestPublication(target);
  const inLake = new Set(publishableNames(head));
  const recorded = publication?.tables ?? {};
  const names = [...new Set([...Object.keys(recorded), ...inLake])].sort();
  const held = new Map<string, number>();
  for (const name of inLake) {
    const table = recorded[name];
    if (table !== undefined) held.set(name, holds(lake, head, name, table));
  }
  const published = held.size === 0 ? undefined : Math.min(...held.values());
  return {
    head: head.id,
    headCommittedAt: head.committedAt,
    published,
    publishedAt: publication?.publishedAt,
    lagSnapshots: published === undefined ? undefined : Math.max(0, head.id - published),
    tables: names.map((name) => ({
      name,
      snapshot: held.get(name) ?? recorded[name]?.snapshot,
      version: recorded[name]?.version,
      rows: recorded[name]?.rows,
      inLake: inLake.has(name),
    })),
  };
}
