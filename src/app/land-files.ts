import { createReadStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { commitLanding, type LandingOutcome, type RegisteredView } from "#batch";
import { type LandNdjsonOptions, landNdjson } from "#ingestion";
import { isLakeError, LakeError } from "#kernel";
import { beginLanding, type Lake, requireLakeSpace, type SourceStateChange } from "#lake";
import { type LandingManifest, MANIFEST_NAME, QUARANTINE_NAME } from "#landing";
import { inputBytes } from "./input-size.js";

/** Room for the landing itself and for what it becomes, as a share of the input's text. */
const NEEDED_SHARE = 1.6;

/** Input that is to be checked, landed and committed as one snapshot. */
export interface LandFilesRequest {
  readonly inputs: LandNdjsonOptions["inputs"];
  readonly source: string;
  readonly policy: "time" | "version";
  readonly bundles?: LandNdjsonOptions["bundles"];
  readonly limits?: LandNdjsonOptions["limits"];
  readonly transactionTime?: string;
  /** Views that a new lake starts with. */
  readonly views: ReadonlyMap<string, RegisteredView>;
  /** News about the source, committed with the data. */
  readonly sourceState?: SourceStateChange;
  /** Keep the landing's files as objects of the lake after the commit; they are removed by age then. */
  readonly keepLanding?: boolean;
  readonly signal?: AbortSignal;
  readonly onChecked?: (bytes: number, totalBytes: number) => void;
  readonly onStored?: (type: string, done: number, types: number) => void;
  /** Called when the landing is complete, before it is committed. */
  readonly beforeCommit?: (landing: {
    readonly dir: string;
    readonly manifest: LandingManifest;
  }) => Promise<void>;
}

/** What became of the input. */
export interface LandedFiles extends LandingOutcome {
  readonly manifest: LandingManifest;
  /** Object key of the kept quarantine file, or undefined when nothing was refused. */
  readonly quarantine: string | undefined;
  /** Refused pieces by name of their input. */
  readonly quarantinedBy: ReadonlyMap<string, number>;
  /** Milliseconds for checking and landing, and for storing, refreshing views and committing. */
  readonly durations: { readonly check: number; readonly commit: number };
}

/** Makes the files of a committed landing objects below `landing/<sequence>/`. */
async function keepFiles(lake: Lake, dir: string, manifest: LandingManifest): Promise<void> {
  const folder = `landing/${String(manifest.sequence).padStart(12, "0")}`;
  const names = [...manifest.files.map((file) => file.path), MANIFEST_NAME];
  for (const name of names) await lake.store.publish(path.join(dir, name), `${folder}/${name}`);
  await lake.store.makeDurable(names.map((name) => `${folder}/${name}`));
}

/** Why a signal was aborted, as one of our errors. */
export function stopReason(signal: AbortSignal): LakeError {
  const reason: unknown = signal.reason;
  if (isLakeError(reason)) return reason;
  return new LakeError(
    "unavailable",
    "ingestion/aborted",
    "The ingestion was stopped; nothing was committed.",
    {
      retryable: true,
    },
  );
}

async function countQuarantined(dir: string, manifest: LandingManifest): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  if (manifest.counts.quarantined === 0) return counts;
  const lines = createInterface({ input: createReadStream(path.join(dir, QUARANTINE_NAME)) });
  for await (const line of lines) {
    const { file } = JSON.parse(line) as { file: string };
    counts.set(file, (counts.get(file) ?? 0) + 1);
  }
  return counts;
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

/** Checks and lands the inputs, then commits them with the ready views refreshed; when that fails nothing of it stays. */
export async function landFiles(lake: Lake, request: LandFilesRequest): Promise<LandedFiles> {
  await requireLakeSpace(lake, (await inputBytes(request.inputs)) * NEEDED_SHARE, "this ingestion");
  const place = await beginLanding(lake);
  await mkdir(place.dir, { recursive: true });
  const { bundles, limits, signal, transactionTime, sourceState } = request;
  let quarantine: string | undefined;
  const started = performance.now();
  try {
    const manifest = await landNdjson({
      inputs: request.inputs,
      source: request.source,
      policy: request.policy,
      landingDir: place.dir,
      sequence: place.sequence,
      acceptedAt: place.acceptedAt,
      definitions: lake.definitions,
      bundles,
      signal,
      transactionTime,
      limits: { targetFileBytes: lake.chunkBytes, ...limits },
      onProgress: (done, total) => request.onChecked?.(done, total ?? 0),
    });
    const checked = performance.now();
    await request.beforeCommit?.({ dir: place.dir, manifest });
    const quarantinedBy = await countQuarantined(place.dir, manifest);
    // Before the commit: once the source's watermark has moved on, refused input would never be seen again.
    quarantine = await keepQuarantine(lake, place.dir, manifest);
    if (signal?.aborted === true) throw stopReason(signal);
    const types = new Set(manifest.files.map((file) => file.type)).size;
    let done = 0;
    const outcome = await commitLanding(lake, {
      landingDir: place.dir,
      manifest,
      views: request.views,
      ...(sourceState === undefined ? {} : { sourceState }),
      onProgress: (type) => request.onStored?.(type, done++, types),
    });
    // A landing with versions of erased persons must not stay.
    const clean = outcome.counts.refused === undefined;
    if (request.keepLanding === true && clean) await keepFiles(lake, place.dir, manifest);
    const durations = { check: checked - started, commit: performance.now() - checked };
    return { ...outcome, manifest, quarantine, quarantinedBy, durations };
  } catch (error) {
    // What was refused belongs to a commit that may have happened.
    const unknown = isLakeError(error, "lake/commit-outcome-unknown");
    if (!unknown && quarantine !== undefined) await lake.store.delete(quarantine).catch(() => undefined);
    throw error;
  } finally {
    await rm(place.dir, { recursive: true, force: true });
  }
}
