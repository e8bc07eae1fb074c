import { checkCompleteness } from "#ingestion";
import { mapConcurrently } from "#kernel";
import { type CompletenessState, type Lake, liveCounts, type SampledResource, sampleResources } from "#lake";
import type { RunAtWork } from "./context.js";

/** Samples of small types are drawn beside those of large ones. */
const TYPES_AT_ONCE = 3;

/** What comparing needs of a run. */
export type Comparison = Pick<RunAtWork, "lake" | "clock" | "source" | "http" | "signal" | "onProgress">;

/** Spreads the sample over the types by their size, at least one of each. */
function shares(counts: Readonly<Record<string, number>>, size: number): [string, number][] {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return Object.entries(counts).map(([type, count]) => [
    type,
    Math.max(1, Math.round((size * count) / total)),
  ]);
}

async function sampleOf(
  lake: Lake,
  source: string,
  live: Readonly<Record<string, number>>,
  size: number,
): Promise<SampledResource[]> {
  if (size === 0) return [];
  const samples = await mapConcurrently(shares(live, size), TYPES_AT_ONCE, ([type, share]) =>
    sampleResources(lake, { source, type, size: share }),
  );
  return samples.flat();
}

/** The types that runs follow: of others, such as resources of a second pass, nobody says that they are up to date. */
function followed(
  live: Readonly<Record<string, number>>,
  watermarks: Readonly<Record<string, string>>,
): Record<string, number> {
  return Object.fromEntries(Object.entries(live).filter(([type]) => watermarks[type] !== undefined));
}

/**
 * Compares a source with the newest snapshot: counts per type, and a random sample of the lake's live resources read one by one. What has
 * changed at the source since the last run is no difference, but for deletes and, where the source cannot search by time, new resources.
 */
export async function compareWithSource(
  comparison: Comparison,
  options: { readonly sample: number; readonly counts: boolean },
): Promise<CompletenessState> {
  const { lake, source, http, signal, clock, onProgress } = comparison;
  const watermarks = (await lake.history.latest())?.sources[source.name]?.watermarks ?? {};
  const live = await liveCounts(lake, source.name);
  const counted = Object.keys(options.counts ? watermarks : {}).map((type) => [type, live[type] ?? 0]);
  const found = await checkCompleteness({
    http,
    source: source.name,
    lakeCounts: Object.fromEntries(counted) as Record<string, number>,
    sample: await sampleOf(lake, source.name, followed(live, watermarks), options.sample),
    upTo: watermarks,
    clock,
    signal,
    onProgress: (done, total) => onProgress?.("compare", done, total),
  });
  const counts = found.counts.map(({ type, source: there, lake: here, differs }) => [
    type,
    { source: there, lake: here, differs },
  ]);
  return {
    checkedAt: found.checkedAt,
    counts: Object.fromEntries(counts) as CompletenessState["counts"],
    sampled: found.sampled,
    sampleDifferences: found.differences.length,
    differences: found.counts.filter(({ differs }) => differs).length + found.differences.length,
  };
}
