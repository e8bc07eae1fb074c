import { countType, readResource } from "#ingestion";
import { isLakeError, mapConcurrently } from "#kernel";
import { type CompletenessState, type Lake, liveCounts, type SampledResource, sampleResources } from "#lake";
import type { RunAtWork } from "./context.js";

const READ_AT_ONCE = 4;

/** What comparing needs of a run. */
export type Comparison = Pick<RunAtWork, "lake" | "clock" | "source" | "http" | "signal" | "onProgress">;

interface Identity {
  readonly id?: string;
  readonly meta?: { readonly versionId?: string; readonly lastUpdated?: string };
}

/** Text of a JSON value with its members sorted, numbers as their digits stand: equal texts mean equal content. */
function canonical(text: string): string {
  // Numbers become text before parsing, so that 1.10 and 1.1 stay different.
  const quoted = text.replace(
    /("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g,
    (_, string, number) => (string === undefined ? `"#${number as string}"` : (string as string)),
  );
  return JSON.stringify(JSON.parse(quoted), (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** True when the server's resource was changed after the lake had been brought up to date. */
function isNewer(text: string, upTo: string | undefined): boolean {
  const { meta } = JSON.parse(text) as Identity;
  return (
    meta?.lastUpdated !== undefined && upTo !== undefined && Date.parse(meta.lastUpdated) > Date.parse(upTo)
  );
}

/** Undefined: nothing can be said of it, because the source does not let us read it. */
async function isSame(
  comparison: Comparison,
  sampled: SampledResource,
  upTo: string | undefined,
): Promise<boolean | undefined> {
  const { http, signal } = comparison;
  try {
    const found = await readResource({ http, type: sampled.type, id: sampled.id, signal });
    if (found.kind === "hidden") return undefined;
    if (found.kind !== "live") return false;
    return isNewer(found.text, upTo) || canonical(found.text) === canonical(sampled.raw);
  } catch (error) {
    if (isLakeError(error, "source/search-refused")) return undefined;
    throw error;
  }
}

/** Spreads the sample over the types by their size, at least one of each. */
function shares(counts: Readonly<Record<string, number>>, size: number): [string, number][] {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return Object.entries(counts).map(([type, count]) => [
    type,
    Math.max(1, Math.round((size * count) / total)),
  ]);
}

async function compareCounts(
  comparison: Comparison,
  types: readonly string[],
  live: Readonly<Record<string, number>>,
  watermarks: Readonly<Record<string, string>>,
): Promise<CompletenessState["counts"]> {
  const { http, signal } = comparison;
  const counted = await mapConcurrently(types, READ_AT_ONCE, async (type) => {
    // Closed at the watermark where the server searches by time, so that what came since does not look like a loss.
    const bounded = await countType({ http, type, until: watermarks[type], signal });
    const source = bounded ?? (await countType({ http, type, signal }));
    return [type, { source: source ?? null, lake: live[type] ?? 0 }] as const;
  });
  return Object.fromEntries(counted);
}

async function sampleOf(lake: Lake, source: string, live: Readonly<Record<string, number>>, size: number) {
  const sample: SampledResource[] = [];
  if (size === 0) return sample;
  for (const [type, share] of shares(live, size)) {
    sample.push(...(await sampleResources(lake, { source, type, size: share })));
  }
  return sample;
}

/**
 * Compares a source with the newest snapshot: counts per type, and a random sample of the lake's live resources read one by one. Changes
 * at the source since the last run show as differences only where the source cannot search by time.
 */
export async function compareWithSource(
  comparison: Comparison,
  options: { readonly sample: number; readonly counts: boolean },
): Promise<CompletenessState> {
  const { lake, source } = comparison;
  const watermarks = (await lake.history.latest())?.sources[source.name]?.watermarks ?? {};
  const types = Object.keys(watermarks).sort();
  const live = await liveCounts(lake, source.name);
  const counts = options.counts ? await compareCounts(comparison, types, live, watermarks) : {};
  const sample = await sampleOf(lake, source.name, live, options.sample);
  let done = 0;
  const same = await mapConcurrently(sample, READ_AT_ONCE, async (resource) => {
    comparison.onProgress?.("compare", done++, sample.length);
    return isSame(comparison, resource, watermarks[resource.type]);
  });
  const sampled = same.filter((answer) => answer !== undefined).length;
  const sampleDifferences = same.filter((answer) => answer === false).length;
  const unequal = Object.values(counts).filter(
    (count) => count.source !== null && count.source !== count.lake,
  );
  return {
    checkedAt: comparison.clock.now().toISOString(),
    counts,
    sampled,
    sampleDifferences,
    differences: unequal.length + sampleDifferences,
  };
}
