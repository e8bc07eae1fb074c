/** What planning needs to know of a layer, of a table or of a view. */
export interface LayerSummary {
  readonly level: 0 | 1 | 2;
  readonly rows: number;
}

/** Which layers (by index) become one, and at which level. */
export interface CompactionStep {
  readonly inputs: readonly number[];
  readonly level: 0 | 2;
}

/** More single commits than this are merged into one layer; more merged layers than this cause a full rewrite. */
export const MOST_DELTA_LAYERS = 8;

/**
 * Share of base rows in deltas above which everything is rewritten. With nightly changes of 1 % a rewrite every 25 nights costs
 * about 4 % of a full load a night, merging in between about 2 %; a rewrite at 10 % would cost 10 %.
 */
export const MOST_DELTA_SHARE = 0.25;

function indexes(layers: readonly LayerSummary[], level: number): number[] {
  return layers.flatMap((layer, i) => (layer.level === level ? [i] : []));
}

function rows(layers: readonly LayerSummary[], at: readonly number[]): number {
  return at.reduce((sum, i) => sum + layers[i]!.rows, 0);
}

/**
 * The next worthwhile compaction, or undefined. Size-tiered: single commits are merged when there are more than 8, everything is
 * rewritten when deltas exceed a quarter of the base or 8 merged layers stand on it, and many small base layers become one.
 */
export function planCompaction(layers: readonly LayerSummary[]): CompactionStep | undefined {
  const base = indexes(layers, 0);
  const single = indexes(layers, 1);
  const merged = indexes(layers, 2);
  const deltaRows = rows(layers, [...single, ...merged]);
  const deltas = single.length + merged.length;
  const tooMuch = deltas > 1 && deltaRows > rows(layers, base) * MOST_DELTA_SHARE;
  if (merged.length > MOST_DELTA_LAYERS || (tooMuch && deltas > MOST_DELTA_LAYERS / 2)) {
    return { inputs: layers.map((_, i) => i), level: 0 };
  }
  if (single.length > MOST_DELTA_LAYERS) return { inputs: single, level: 2 };
  const largest = Math.max(0, ...base.map((i) => layers[i]!.rows));
  const small = base.filter((i) => layers[i]!.rows * 10 < largest);
  if (small.length > MOST_DELTA_LAYERS) return { inputs: small, level: 0 };
  return undefined;
}

/** Everything into one base layer, or undefined when it already is. */
export function planFullCompaction(layers: readonly LayerSummary[]): CompactionStep | undefined {
  if (layers.length < 2) return undefined;
  return { inputs: layers.map((_, i) => i), level: 0 };
}
