import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { buildViews, commitLanding, type LandingOutcome, type RegisteredView } from "#batch";
import { type LandNdjsonOptions, landNdjson } from "#ingestion";
import { beginLanding, compact, type Lake, type Snapshot } from "#lake";
import { type LandingManifest, QUARANTINE_NAME } from "#landing";

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

/** Keeps the quarantine records beyond the landing, as an object of the lake. */
async function keepQuarantine(
  lake: Lake,
  dir: string,
  manifest: LandingManifest,
): Promise<string | undefined> {
  if (manifest.counts.quarantined === 0) return undefined;
  const key = `quarantine/${String(manifest.sequence).padStart(12, "0")}.ndjson`;
  await lake.store.publish(path.join(dir, QUARANTINE_NAME), key);
  await lake.store.makeDurable([key]);
  return key;
}

/**
 * NDJSON and Bundles into the lake: check and land, commit with the ready views refreshed, build views that are due, compact when
 * worthwhile. Run again after any interruption it completes what is missing and stores nothing twice.
 */
export async function ingestNdjson(lake: Lake, request: IngestRequest): Promise<IngestResult> {
  const place = await beginLanding(lake);
  await mkdir(place.dir, { recursive: true });
  try {
    const manifest = await landNdjson({
      inputs: [...request.inputs],
      source: request.source,
      policy: request.policy,
      landingDir: place.dir,
      sequence: place.sequence,
      acceptedAt: place.acceptedAt,
      definitions: lake.definitions,
      ...(request.bundles === undefined ? {} : { bundles: request.bundles }),
      limits: { targetFileBytes: lake.chunkBytes, ...request.limits },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      onProgress: (done, total) => request.onProgress?.("check", done, total ?? 0),
    });
    const types = new Set(manifest.files.map((file) => file.type)).size;
    let done = 0;
    const outcome = await commitLanding(lake, {
      landingDir: place.dir,
      manifest,
      views: request.views,
      onProgress: (what) => request.onProgress?.("store", done++, types, what),
    });
    const quarantine = await keepQuarantine(lake, place.dir, manifest);
    await settle(lake, request);
    const { problems, unknownElements } = manifest;
    return { ...outcome, problems, unknownElements, quarantine, head: await lake.history.latest() };
  } finally {
    await rm(place.dir, { recursive: true, force: true });
  }
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
  await compact(lake, { onProgress: (what) => request.onProgress?.("compact", 0, 0, what) });
}
