import { defaultTarget, type PublishReport, publishDelta, publishStatus } from "#delta";
import { isLakeError } from "#kernel";
import type { Lake } from "#lake";
import { openStore } from "#storage";

/** How tables are published by themselves after commits. */
export interface AutomaticPublishing {
  /** Table names, `resources`, `views`; default everything. */
  readonly tables?: readonly string[] | undefined;
  /** A folder or `s3://bucket/prefix`; default the lake's folder `published/`. */
  readonly to?: string | undefined;
  readonly raw?: boolean | undefined;
  readonly retentionMs?: number | undefined;
  readonly signal?: AbortSignal;
}

/** Another publisher is given this long to end; it looks for newer snapshots itself before it does. */
const PATIENCE_MS = 5_000;
/** Commits can come faster than they are published; the next commit's publication takes over then. */
const MOST_ROUNDS = 3;

/**
 * Publishes the newest snapshot, and what was committed meanwhile. The last report, or undefined when another publisher is at work. For use
 * after a commit: the commit stands whatever becomes of this, and a later publication catches up.
 */
export async function publishAfterCommit(
  lake: Lake,
  settings: AutomaticPublishing,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<PublishReport | undefined> {
  const store = settings.to === undefined ? undefined : await openStore(settings.to, environment);
  const target = store === undefined ? defaultTarget(lake.store) : { store, prefix: "" };
  const { tables, raw, retentionMs, signal } = settings;
  let report: PublishReport | undefined;
  try {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      report = await publishDelta(lake, {
        target,
        waitMs: PATIENCE_MS,
        ...(tables === undefined ? {} : { tables }),
        ...(raw === undefined ? {} : { raw }),
        ...(retentionMs === undefined ? {} : { retentionMs }),
        ...(signal === undefined ? {} : { signal }),
      });
      const { head, published } = await publishStatus(lake, target);
      if (published === undefined || published >= head || report.snapshot >= head) break;
    }
    return report;
  } catch (error) {
    if (isLakeError(error, "runs/lease-held")) return report;
    throw error;
  } finally {
    await store?.close();
  }
}
