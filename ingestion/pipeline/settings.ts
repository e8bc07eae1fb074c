import type { FhirVersion } from "#fhir";
import type { Instant, LandingCounts, LandingFile, LandingProblem, OrderPolicy } from "#landing";

/** What to do with Bundles. `auto`: take apart what `.json` files and documents hold, store those that are NDJSON lines. */
export type BundleMode = "auto" | "unpack" | "store";

/** Bounds of one run; what is beyond them is quarantined, except `maxQuarantined`, which ends the run. */
export interface IngestLimits {
  /** Longest line in bytes. Default 16 MiB. */
  readonly maxLineBytes: number;
  /** Longest JSON document (a `.json` file that is not NDJSON) in bytes; it is held in memory. Default 64 MiB. */
  readonly maxDocumentBytes: number;
  /** Objects and arrays within each other. Default 64. */
  readonly maxDepth: number;
  /** More refused pieces than this end the run with `ingestion/too-many-quarantined`. Default: no bound. */
  readonly maxQuarantined: number;
  /** A landing file is closed at this size. Default 64 MiB. */
  readonly targetFileBytes: number;
  /** Worker threads that scan. Default 2, never more than there are cores. */
  readonly workers: number;
}

/** The limits that hold when the caller says nothing. */
export const DEFAULT_LIMITS: IngestLimits = {
  maxLineBytes: 16 * 1024 * 1024,
  maxDocumentBytes: 64 * 1024 * 1024,
  maxDepth: 64,
  maxQuarantined: Number.POSITIVE_INFINITY,
  targetFileBytes: 64 * 1024 * 1024,
  workers: 2,
};

/** What every unit of a run has in common; plain data, so that it can be sent to a worker thread. */
export interface UnitSettings {
  readonly landingDir: string;
  readonly source: string;
  readonly policy: OrderPolicy;
  readonly sequence: number;
  /** Stands in for a missing meta.lastUpdated. */
  readonly fallbackTime: Instant;
  readonly fhirVersion: FhirVersion;
  readonly bundles: BundleMode;
  readonly limits: IngestLimits;
}

/** A piece of work for one worker: a file, or a range of an uncompressed one. */
export interface IngestUnit {
  readonly ordinal: number;
  /** Index of the file among the inputs. */
  readonly file: number;
  readonly name: string;
  readonly path: string;
  readonly gzip: boolean;
  readonly detect: boolean;
  readonly json: boolean;
  /** Stands in for the run's mode. */
  readonly bundles: BundleMode | undefined;
  /** Lines that start in [start, end) belong to the unit. `end` is undefined when the unit reads to the end. */
  readonly start: number;
  readonly end: number | undefined;
  /** Position (in the order key) of the input's first byte. */
  readonly positionBase: number;
  /** Unpacked bytes of the whole file, exact for a plain file and a guess for gzip; 0 when nothing is known. */
  readonly sizeHint: number;
}

/** Counts of {@link LandingCounts}, to be added to. */
export type Counts = { -readonly [name in keyof LandingCounts]: number };

/** All zero. */
export function noCounts(): Counts {
  return { lines: 0, blank: 0, quarantined: 0, accepted: 0, unpacked: 0, entries: 0, skipped: 0 };
}

/** Adds `more` to `sum`. */
export function addCounts(sum: Counts, more: LandingCounts): void {
  for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += more[name];
}

/** What became of one unit. */
export interface UnitResult {
  readonly ordinal: number;
  readonly counts: LandingCounts;
  readonly problems: readonly LandingProblem[];
}

/** What one scanner saw and wrote over all its units. */
export interface ScanSummary {
  readonly files: readonly LandingFile[];
  readonly observed: Readonly<Record<string, readonly string[]>>;
  readonly unknownElements: Readonly<Record<string, Readonly<Record<string, number>>>>;
}
