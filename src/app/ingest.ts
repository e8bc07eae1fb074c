import { buildViews, type LandingOutcome, type RegisteredView } from "#batch";
import type { LandNdjsonOptions } from "#ingestion";
import type { Lake, Snapshot } from "#lake";
import type { LandingManifest } from "#landing";
import { compactInTurn } from "./compact-in-turn.js";
import { landFiles } from "./land-files.js";

/** The phases of an ingestion, for progress displays. */
export type IngestPhase = "check" | "store" | "views" | "compact";

/** What to ingest. */
export interface IngestRequest {
  readonly inputs: readonly string[];
  readonly source: string;
  readonly policy: "time" | "version";
  readonly bundles?: LandNdjsonOptions["bundles"];
  readonly limits?: LandNdjsonOptions["limits"];
  /** Views the lake should have afterwards. */
  readonly views: ReadonlyMap<string, RegisteredView>;
  readonly onProgress?: (phase: IngestPhase, done: number, total: number, what?: string) => void;
  readonly signal?: AbortSignal;
}

/** What an ingestion did. */
export interface IngestResult extends LandingOutcome {
  readonly problems: LandingManifest["problems"];
  readonly unknownElements: LandingManifest["unknownElements"];
  /** Object key of the kept quarantine file, or undefined when nothing was refused. */
  readonly quarantine: string | undefined;
  /** The newest snapshot afterwards. */
  readonly head: Snapshot | undefined;
}

/**
 * NDJSON and Bundles into the lake: check and land, commit with the ready views refreshed, build views that are due, compact when
 * worthwhile. Run again after any interruption it completes what is missing and stores nothing twice.
 */
export async function ingestNdjson(lake: Lake, request: IngestRequest): Promise<IngestResult> {
  const { onProgress, ...input } = request;
  const {
    manifest,
    quarantinedBy: _,
    durations: __,
    ...outcome
  } = await landFiles(lake, {
    ...input,
    onChecked: (done, total) => onProgress?.("check", done, total),
    onStored: (type, done, types) => onProgress?.("store", done, types, type),
  });
  await settle(lake, request);
  const { problems, unknownElements } = manifest;
  return { ...outcome, problems, unknownElements, head: await lake.history.latest() };
}

/** What every commit is followed by: views that are due, then compaction by policy. */
export async function settle(
  lake: Lake,
  request: Pick<IngestRequest, "views" | "onProgress">,
): Promise<void> {
  await buildViews(lake, {
    views: request.views,
    onProgress: (view, done, total) => request.onProgress?.("views", done, total, view),
  });
  await compactInTurn(lake, { onProgress: (what) => request.onProgress?.("compact", 0, 0, what) });
}
