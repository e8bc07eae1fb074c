import { availableParallelism } from "node:os";
import type { Readable } from "node:stream";
import type { Definitions } from "#fhir";
import { LakeError } from "#kernel";
import {
  instantOfMs,
  type LandingManifest,
  type LandingProblem,
  type OrderPolicy,
  parseInstant,
  writeManifest,
} from "#landing";
import { type InputFile, type InputName, probeInputs, STDIN } from "../ndjson/inputs.js";
import { joinQuarantine, type QuarantineShare } from "../quarantine/quarantine-file.js";
import { type ScanContext, scanInProcess } from "./scan-in-process.js";
import { scanInWorkers, WORKERS_AVAILABLE } from "./scan-pool.js";
import {
  type BundleMode,
  DEFAULT_LIMITS,
  type IngestLimits,
  type IngestUnit,
  type ScanSummary,
  type UnitResult,
  type UnitSettings,
} from "./settings.js";
import { type OnProgress, Tally } from "./tally.js";
import { planUnits, unitCost } from "./unit-plan.js";

/** Below this much input, starting threads costs more than they save. */
const WORKERS_FROM_BYTES = 16 * 1024 * 1024;

/** One run of NDJSON and Bundle ingestion. */
export interface LandNdjsonOptions {
  /** Files, folders and `-` (standard input), see {@link probeInputs}. */
  readonly inputs: readonly InputName[];
  /** Name space of the resource ids; may be empty. */
  readonly source: string;
  /** How versions of this source are ordered; it must never change for a source. */
  readonly policy: OrderPolicy;
  /** An existing, empty folder. After an error its content is to be thrown away. */
  readonly landingDir: string;
  /** Number of the landing in the lake. */
  readonly sequence: number;
  readonly acceptedAt: Date;
  /** FHIR instant at which the export was taken, when known: stands in for a missing meta.lastUpdated. */
  readonly transactionTime?: string | undefined;
  readonly definitions: Definitions;
  /** What differs from {@link DEFAULT_LIMITS}. */
  readonly limits?: Partial<IngestLimits> | undefined;
  /** Default `auto`. */
  readonly bundles?: BundleMode | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What `-` reads; the process's standard input by default. */
  readonly stdin?: Readable | undefined;
}

function fallbackTime(options: LandNdjsonOptions): UnitSettings["fallbackTime"] {
  const { transactionTime } = options;
  if (transactionTime === undefined) return instantOfMs(options.acceptedAt.getTime());
  const instant = parseInstant(transactionTime);
  if (instant !== undefined) return instant;
  throw new LakeError(
    "invalid-input",
    "ingestion/bad-transaction-time",
    "The transaction time must be a FHIR instant such as 2026-01-31T08:00:00Z.",
  );
}

function scan(
  units: readonly IngestUnit[],
  files: readonly InputFile[],
  context: ScanContext,
  stdin: () => Readable,
): Promise<ScanSummary[]> {
  const total = units.reduce((sum, unit) => sum + unitCost(unit), 0);
  const count = Math.min(context.settings.limits.workers, availableParallelism(), units.length);
  const piped = files.some((file) => file.path === STDIN);
  if (!WORKERS_AVAILABLE || piped || count < 1 || total < WORKERS_FROM_BYTES) {
    return scanInProcess(units, context, stdin);
  }
  return scanInWorkers(units, context, count);
}

function quarantineShares(units: readonly IngestUnit[], results: readonly UnitResult[]): QuarantineShare[] {
  const shares: QuarantineShare[] = [];
  let linesBefore = 0;
  for (const result of results) {
    const unit = units[result.ordinal]!;
    if (unit.start === 0) linesBefore = 0;
    if (result.counts.quarantined > 0) shares.push({ unit: unit.ordinal, linesBefore });
    linesBefore += result.counts.lines;
  }
  return shares;
}

function mergeObserved(summaries: readonly ScanSummary[]): LandingManifest["observed"] {
  const sets = new Map<string, Set<string>>();
  for (const { observed } of summaries) {
    for (const [type, paths] of Object.entries(observed)) {
      const set = sets.get(type) ?? new Set();
      for (const path of paths) set.add(path);
      sets.set(type, set);
    }
  }
  return Object.fromEntries([...sets].sort(byName).map(([type, set]) => [type, [...set].sort()]));
}

function mergeUnknown(summaries: readonly ScanSummary[]): LandingManifest["unknownElements"] {
  const sums = new Map<string, Map<string, number>>();
  for (const { unknownElements } of summaries) {
    for (const [type, paths] of Object.entries(unknownElements)) {
      const sum = sums.get(type) ?? new Map<string, number>();
      for (const [path, count] of Object.entries(paths)) sum.set(path, (sum.get(path) ?? 0) + count);
      sums.set(type, sum);
    }
  }
  return Object.fromEntries(
    [...sums].sort(byName).map(([type, sum]) => [type, Object.fromEntries([...sum].sort(byName))]),
  );
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}

/**
 * Reads NDJSON and Bundles, checks every resource, and leaves a complete landing: landing files, `quarantine.ndjson`
 * when something was refused, and `landing.json` last, all forced to the disk. Answers the manifest it wrote.
 *
 * Errors: those of {@link probeInputs}, `ingestion/too-many-quarantined`, `ingestion/aborted`, `ingestion/read-failed`,
 * `ingestion/input-too-big`, `ingestion/bad-transaction-time`, `storage/disk-full`, `storage/io`. Bad data is no error.
 */
export async function landNdjson(options: LandNdjsonOptions): Promise<LandingManifest> {
  const limits: IngestLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const settings: UnitSettings = {
    landingDir: options.landingDir,
    source: options.source,
    policy: options.policy,
    sequence: options.sequence,
    fallbackTime: fallbackTime(options),
    fhirVersion: options.definitions.version,
    bundles: options.bundles ?? "auto",
    limits,
  };
  const files = await probeInputs(options.inputs);
  const units = planUnits(files);
  const sizes = files.map((file) => file.sizeBytes);
  const totalBytes = sizes.some((size) => size === undefined)
    ? undefined
    : sizes.reduce((a, b) => a! + b!, 0);
  const tally = new Tally(totalBytes, limits.maxQuarantined, options.onProgress);
  const context: ScanContext = { definitions: options.definitions, settings, tally, signal: options.signal };
  const summaries = await scan(units, files, context, () => options.stdin ?? process.stdin);
  const results = tally.results.sort((a, b) => a.ordinal - b.ordinal);
  await joinQuarantine(options.landingDir, quarantineShares(units, results));
  const manifest = describeLanding(options, files, { summaries, results, tally });
  await writeManifest(options.landingDir, manifest);
  return manifest;
}

function describeLanding(
  options: LandNdjsonOptions,
  files: readonly InputFile[],
  run: { summaries: readonly ScanSummary[]; results: readonly UnitResult[]; tally: Tally },
): LandingManifest {
  const { transactionTime } = options;
  const problems: LandingProblem[] = run.results.flatMap((result) => result.problems);
  const landed = run.summaries.flatMap((summary) => summary.files);
  return {
    version: 1,
    sequence: options.sequence,
    source: options.source,
    policy: options.policy,
    acceptedAt: options.acceptedAt.toISOString(),
    ...(transactionTime === undefined ? {} : { transactionTime }),
    fhirVersion: options.definitions.version,
    files: landed.sort((a, b) => (a.path < b.path ? -1 : 1)),
    observed: mergeObserved(run.summaries),
    unknownElements: mergeUnknown(run.summaries),
    counts: run.tally.counts(),
    inputs: files.map((file) => ({ name: file.name, sizeBytes: file.sizeBytes ?? null })),
    problems,
  };
}
