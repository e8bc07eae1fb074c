import { type Clock, isLakeError, mapConcurrently, systemClock } from "#kernel";
import { resourceKey } from "#landing";
import type { FhirHttp } from "../http/index.js";
import { countType, instantMs, readResource } from "../search/index.js";
import { compareContent } from "./same-content.js";

/** A live resource of the lake to be compared. */
export interface SampleResource {
  readonly type: string;
  readonly id: string;
  readonly raw: string;
}

/** What the lake has, and what to compare it with. */
export interface CompletenessRequest {
  readonly http: FhirHttp;
  /** The name space of the resource ids in the lake. */
  readonly source: string;
  /** Live resources in the lake by type: all types that are fetched. Empty: counts are not compared. */
  readonly lakeCounts: Readonly<Record<string, number>>;
  readonly sample: readonly SampleResource[];
  /** Per type the server's time (FHIR instant) up to which the lake was brought. */
  readonly upTo: Readonly<Record<string, string | undefined>>;
  /** Requests at once. Default 4. */
  readonly concurrency?: number;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** The counts of one type. */
export interface CountComparison {
  readonly type: string;
  /** Resources at the source, all that it has now; null when it does not count. */
  readonly source: number | null;
  /**
   * Of these, how many have not changed since the lake was brought up to date; null when it cannot search by time, and where it was not
   * asked because both sides have equally many.
   */
  readonly unchanged: number | null;
  readonly lake: number;
  /** True when changes since then cannot explain the counts. */
  readonly differs: boolean;
}

/** A resource that is not the same on both sides. */
export interface SampleDifference {
  readonly type: string;
  readonly reason: "gone" | "absent" | "content";
  /** The resource's key in the lake, which tells nothing about it to others. */
  readonly key: string;
}

/** What was compared and found. Holds no ids and no content. */
export interface CompletenessResult {
  /** ISO instant of this machine's clock. */
  readonly checkedAt: string;
  readonly counts: readonly CountComparison[];
  /** Resources of the sample that could be compared. */
  readonly sampled: number;
  /** Resources of the sample that the source does not let us read. */
  readonly unreadable: number;
  /** Resources of the sample that changed at the source after the lake was brought up to date. */
  readonly changedSince: number;
  readonly differences: readonly SampleDifference[];
}

type Outcome = SampleDifference["reason"] | "same" | "unreadable" | "changed";

/**
 * The lake stood at a moment of the past: what has not changed since must be in it, and of what has changed it may hold the older version.
 * So its count lies between the unchanged resources and all there are now, but for resources deleted meanwhile.
 */
function differs(lake: number, all: number | undefined, unchanged: number | undefined): boolean {
  if (all === undefined) return false;
  if (unchanged === undefined) return lake !== all;
  return lake < unchanged || lake > all;
}

async function compareCount(
  request: CompletenessRequest,
  type: string,
  lake: number,
): Promise<CountComparison> {
  const { http, signal } = request;
  const more = signal === undefined ? {} : { signal };
  const until = request.upTo[type];
  const all = await countType({ http, type, ...more });
  const explained = all === undefined || all === lake || until === undefined;
  const unchanged = explained ? undefined : await countType({ http, type, until, ...more });
  return {
    type,
    source: all ?? null,
    unchanged: unchanged ?? null,
    lake,
    differs: differs(lake, all, unchanged),
  };
}

async function compareOne(request: CompletenessRequest, sample: SampleResource): Promise<Outcome> {
  const { http, signal } = request;
  const { type, id, raw } = sample;
  try {
    const found = await readResource({ http, type, id, ...(signal === undefined ? {} : { signal }) });
    if (found.kind === "hidden") return "unreadable";
    if (found.kind !== "live") return found.kind;
    const { same, sourceMs } = compareContent(raw, found.text);
    if (same) return "same";
    const upToMs = instantMs(request.upTo[type]);
    return sourceMs !== undefined && upToMs !== undefined && sourceMs >= upToMs ? "changed" : "content";
  } catch (error) {
    if (isLakeError(error, "source/search-refused")) return "unreadable";
    throw error;
  }
}

/**
 * Compares what a source has with what the lake has: counts per type, and the resources of a random sample by content. A resource deleted at
 * the source after the lake was brought up to date shows as a difference until the next run. Errors: those of requests.
 */
export async function checkCompleteness(request: CompletenessRequest): Promise<CompletenessResult> {
  const { sample, concurrency = 4 } = request;
  const types = Object.entries(request.lakeCounts).sort(([a], [b]) => (a < b ? -1 : 1));
  const counts = await mapConcurrently(types, concurrency, ([type, lake]) =>
    compareCount(request, type, lake),
  );
  let done = 0;
  const outcomes = await mapConcurrently(sample, concurrency, async (one) => {
    const outcome = await compareOne(request, one);
    request.onProgress?.(++done, sample.length);
    return outcome;
  });
  const differences: SampleDifference[] = [];
  for (const [i, { type, id }] of sample.entries()) {
    const reason = outcomes[i]!;
    if (reason === "same" || reason === "unreadable" || reason === "changed") continue;
    differences.push({ type, reason, key: resourceKey(request.source, type, id) });
  }
  const unreadable = outcomes.filter((outcome) => outcome === "unreadable").length;
  return {
    checkedAt: (request.clock ?? systemClock).now().toISOString(),
    counts,
    sampled: sample.length - unreadable,
    unreadable,
    changedSince: outcomes.filter((outcome) => outcome === "changed").length,
    differences,
  };
}
