/**
 * Counts that may be shown. Cells from 1 to k-1 are never shown, nor can they be computed from what is: see docs/cohorts.md for the rule
 * and why it holds.
 */

/** The category that stands for several small ones together. */
export const SEVERAL = "(several)";

/** A cell of a table over two dimensions. */
export interface PairCell {
  readonly row: string;
  readonly column: string;
  /** Null when suppressed. Cells that are zero are left out. */
  readonly count: number | null;
}

/** Shown categories of one dimension: which group each category went to, and the counts of the groups. */
export interface Groups {
  readonly groupOf: ReadonlyMap<string, string>;
  readonly counts: ReadonlyMap<string, number>;
}

const byCount = ([a, n]: readonly [string, number], [b, m]: readonly [string, number]): number =>
  n - m || (a < b ? -1 : 1);

/**
 * Puts categories of fewer than k together, the smallest first, with as many of the next larger as it takes to have k. All groups then
 * have at least k, if there are k at all.
 */
export function groupSmall(counts: ReadonlyMap<string, number>, k: number): Groups {
  const sorted = [...counts].filter(([, count]) => count > 0).sort(byCount);
  const small: string[] = [];
  let sum = 0;
  for (const [category, count] of sorted) {
    if (count >= k && (small.length === 0 || sum >= k)) break;
    small.push(category);
    sum += count;
  }
  const groupOf = new Map(sorted.map(([category]) => [category, category]));
  if (small.length === 0) return { groupOf, counts: new Map(sorted) };
  for (const category of small) groupOf.set(category, SEVERAL);
  const large = sorted.filter(([category]) => !small.includes(category));
  return { groupOf, counts: new Map([...large, [SEVERAL, sum]]) };
}

/** Four corners that can be altered together without a margin showing it: two of them more, two of them less. */
type Rectangle = readonly [row: number, column: number, otherRow: number, otherColumn: number];

function cornersOf([r, c, s, d]: Rectangle): readonly (readonly [number, number])[] {
  return [
    [r, c],
    [s, d],
    [r, d],
    [s, c],
  ];
}

/** The cheapest rectangle with which a small cell could as well have k, or undefined. */
function bestRectangle(
  table: readonly (readonly number[])[],
  hidden: readonly (readonly boolean[])[],
  row: number,
  column: number,
  k: number,
): Rectangle | undefined {
  const more = k - table[row]![column]!;
  let best: { readonly rectangle: Rectangle; readonly cost: number } | undefined;
  for (let s = 0; s < table.length; s++) {
    if (s === row || table[s]![column]! <= more) continue;
    for (let d = 0; d < table[s]!.length; d++) {
      if (d === column || table[row]![d]! <= more || table[s]![d]! < 1) continue;
      const rectangle: Rectangle = [row, column, s, d];
      const cost = cornersOf(rectangle).reduce(
        (sum, [i, j]) => sum + (hidden[i]![j]! ? 0 : table[i]![j]!),
        0,
      );
      if (best === undefined || cost < best.cost) best = { rectangle, cost };
    }
  }
  return best?.rectangle;
}

/**
 * Which cells of a table to hide so that, for all that its margins and the cells shown tell, every small cell could as well have k.
 * Undefined when there is no such choice: the table must then not be shown.
 */
export function hideCells(table: readonly (readonly number[])[], k: number): boolean[][] | undefined {
  const hidden = table.map((row) => row.map((count) => count > 0 && count < k));
  const small = table.flatMap((row, i) =>
    row.flatMap((count, j) => (count > 0 && count < k ? [[i, j, count] as const] : [])),
  );
  small.sort((a, b) => a[2] - b[2]);
  for (const [i, j] of small) {
    const rectangle = bestRectangle(table, hidden, i, j, k);
    if (rectangle === undefined) return undefined;
    for (const [r, c] of cornersOf(rectangle)) hidden[r]![c] = true;
  }
  return hidden;
}

/** A count by the two categories of a person. */
export interface PairCount {
  readonly row: string;
  readonly column: string;
  readonly count: number;
}

/** A table over two dimensions whose margins are {@link Groups}; undefined when it must not be shown. */
export function suppressPairs(
  counts: readonly PairCount[],
  rows: Groups,
  columns: Groups,
  k: number,
): readonly PairCell[] | undefined {
  const [rowNames, columnNames] = [[...rows.counts.keys()], [...columns.counts.keys()]];
  const table = rowNames.map(() => columnNames.map(() => 0));
  for (const { row, column, count } of counts) {
    const [i, j] = [
      rowNames.indexOf(rows.groupOf.get(row)!),
      columnNames.indexOf(columns.groupOf.get(column)!),
    ];
    table[i]![j]! += count;
  }
  const hidden = hideCells(table, k);
  if (hidden === undefined) return undefined;
  return rowNames.flatMap((row, i) =>
    columnNames.flatMap((column, j) => {
      const count = table[i]![j]!;
      return count === 0 ? [] : [{ row, column, count: hidden[i]![j]! ? null : count }];
    }),
  );
}
