import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LakeError, packageRoot } from "#kernel";
import type { Lake } from "./lake.js";
import { FORMAT_VERSION, LANDINGS_KEPT, type Snapshot, type SnapshotChange } from "./snapshot.js";

const MOST_ATTEMPTS = 500;

let tool: string | undefined;

/** Name and version of this program, as snapshots record it. */
export function toolVersion(): string {
  if (tool === undefined) {
    const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as {
      version: string;
    };
    tool = `fhir-lake ${version}`;
  }
  return tool;
}

/** The snapshot after `head` with this change. Its time is never before its parent's, whatever the clock says. */
function successor(lake: Lake, head: Snapshot | undefined, change: SnapshotChange): Snapshot {
  const earliest = head === undefined ? 0 : Date.parse(head.committedAt) + 1;
  const committedAtMs = Math.max(lake.clock.now().getTime(), earliest);
  const landings = head?.landings ?? [];
  const carried = change.whole === true ? undefined : head;
  const erasures = change.erasures ?? head?.erasures ?? [];
  return {
    formatVersion: FORMAT_VERSION,
    id: (head?.id ?? 0) + 1,
    commitId: randomUUID(),
    parent: head?.id ?? null,
    committedAt: new Date(committedAtMs).toISOString(),
    tool: toolVersion(),
    fhirVersion: head?.fhirVersion ?? lake.definitions.version,
    operation: change.operation,
    acceptedAtMs: Math.max(head?.acceptedAtMs ?? 0, change.acceptedAtMs ?? 0),
    landings: change.landing === undefined ? landings : [change.landing, ...landings].slice(0, LANDINGS_KEPT),
    sources: { ...carried?.sources, ...change.sources },
    tables: { ...carried?.tables, ...change.tables },
    views: { ...carried?.views, ...change.views },
    ...(erasures.length === 0 ? {} : { erasures }),
  };
}

/**
 * Commits with optimistic concurrency. `prepare` is given the newest snapshot and says what to change, or undefined when there is
 * nothing to do; when another writer commits first it is asked again with that writer's snapshot, and may reuse its finished
 * files where they still hold. Returns the new snapshot, or undefined. Errors: `lake/too-much-contention` after 500 lost races.
 */
export async function commit(
  lake: Lake,
  prepare: (head: Snapshot | undefined) => Promise<SnapshotChange | undefined>,
): Promise<Snapshot | undefined> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const head = await lake.history.latest();
    const change = await prepare(head);
    if (change === undefined) return undefined;
    const next = successor(lake, head, change);
    if (await lake.history.append(next)) return next;
    await sleep(Math.random() * Math.min(200, 5 * (attempt + 1)));
  }
  throw new LakeError(
    "conflict",
    "lake/too-much-contention",
    `Other writers committed first ${MOST_ATTEMPTS} times in a row; run the command again when fewer are at work.`,
    { retryable: true },
  );
}
