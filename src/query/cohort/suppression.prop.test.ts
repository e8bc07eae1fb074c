import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../test/support/random.js";
import { groupSmall, type PairCount, SEVERAL, suppressPairs } from "./suppression.js";

/**
 * An attacker who knows the margins, the cells shown and that hidden cells are not zero, and tries all tables of whole numbers: answers
 * the greatest number that each hidden cell could have.
 */
function greatestPossible(
  shown: readonly (readonly (number | null)[])[],
  rowSums: readonly number[],
  columnSums: readonly number[],
): number[][] {
  const cells = shown.flatMap((row, i) =>
    row.flatMap((count, j) => (count === null ? [[i, j] as const] : [])),
  );
  const known = shown.map((row) => row.map((count) => count ?? 0));
  const rowLeft = rowSums.map((sum, i) => sum - known[i]!.reduce((a, b) => a + b, 0));
  const columnLeft = columnSums.map((sum, j) => sum - known.reduce((a, row) => a + row[j]!, 0));
  const best = shown.map((row) => row.map(() => 0));
  const chosen: number[] = [];
  const after = (from: number, at: (cell: readonly [number, number]) => boolean): number =>
    cells.slice(from).filter(at).length;
  const walk = (index: number): void => {
    const cell = cells[index];
    if (cell === undefined) {
      if ([...rowLeft, ...columnLeft].some((left) => left !== 0)) return;
      for (const [at, [i, j]] of cells.entries()) best[i]![j] = Math.max(best[i]![j]!, chosen[at]!);
      return;
    }
    const [i, j] = cell;
    // Every hidden cell that is still to come in the row or column takes at least one.
    const most = Math.min(
      rowLeft[i]! - after(index + 1, ([r]) => r === i),
      columnLeft[j]! - after(index + 1, ([, c]) => c === j),
    );
    const lastOfRow = after(index + 1, ([r]) => r === i) === 0;
    for (let value = lastOfRow ? Math.max(1, rowLeft[i]!) : 1; value <= most; value++) {
      rowLeft[i]! -= value;
      columnLeft[j]! -= value;
      chosen[index] = value;
      walk(index + 1);
      rowLeft[i]! += value;
      columnLeft[j]! += value;
    }
  };
  walk(0);
  return best;
}

const sums = (counts: readonly PairCount[], by: "row" | "column"): Map<string, number> => {
  const found = new Map<string, number>();
  for (const cell of counts) found.set(cell[by], (found.get(cell[by]) ?? 0) + cell.count);
  return found;
};

const smallTable = fc
  .tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 2, max: 3 }))
  .chain(([rows, columns]) =>
    fc
      .array(fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 12 })), {
        minLength: rows * columns,
        maxLength: rows * columns,
      })
      .map((values) =>
        values.map(
          (count, index): PairCount => ({
            row: `r${Math.floor(index / columns)}`,
            column: `c${index % columns}`,
            count,
          }),
        ),
      ),
  );

describe("suppressed tables", () => {
  it("let nobody conclude that a hidden cell is small, whatever whole numbers they try", () => {
    let [tables, hidden] = [0, 0];
    fc.assert(
      fc.property(smallTable, fc.constantFrom(3, 4, 5), (all, k) => {
        const counts = all.filter(({ count }) => count > 0);
        if (counts.reduce((sum, { count }) => sum + count, 0) < k) return;
        const [rows, columns] = [groupSmall(sums(counts, "row"), k), groupSmall(sums(counts, "column"), k)];
        const cells = suppressPairs(counts, rows, columns, k);
        if (cells === undefined) return;
        tables++;
        const [rowNames, columnNames] = [[...rows.counts.keys()], [...columns.counts.keys()]];
        const shown = rowNames.map((row) =>
          columnNames.map((column) => {
            const cell = cells.find((one) => one.row === row && one.column === column);
            return cell === undefined ? 0 : cell.count;
          }),
        );
        for (const count of shown.flat()) expect(count === null || count === 0 || count >= k).toBe(true);
        const greatest = greatestPossible(shown, [...rows.counts.values()], [...columns.counts.values()]);
        for (const [i, row] of rowNames.entries()) {
          for (const [j, column] of columnNames.entries()) {
            if (shown[i]![j] !== null) continue;
            const group = counts.filter(
              (one) => rows.groupOf.get(one.row) === row && columns.groupOf.get(one.column) === column,
            );
            const truth = group.reduce((sum, { count }) => sum + count, 0);
            if (truth >= k) continue;
            hidden++;
            expect(greatest[i]![j]).toBeGreaterThanOrEqual(k);
          }
        }
      }),
      { numRuns: 1500, seed: 11 },
    );
    // The property would hold of tables that are never shown.
    expect(tables).toBeGreaterThan(200);
    expect(hidden).toBeGreaterThan(100);
  });

  it("have margins of at least k that add up to all persons, in every table that shares them", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 3, max: 20 }),
        (all, k) => {
          const counts = new Map(all.map((count, index) => [`c${index}`, count]));
          const total = all.reduce((sum, count) => sum + count, 0);
          const groups = groupSmall(counts, k);
          expect([...groups.counts.values()].reduce((sum, count) => sum + count, 0)).toBe(total);
          if (total >= k) for (const count of groups.counts.values()) expect(count).toBeGreaterThanOrEqual(k);
          const several = [...groups.groupOf].filter(([, group]) => group === SEVERAL);
          expect(several.length).not.toBe(total >= k ? 1 : -1);
        },
      ),
      { numRuns: 2000, seed: 12 },
    );
  });

  it("that overlap share their margins exactly, so that each stands for itself", () => {
    const next = seeded(7);
    for (let run = 0; run < 200; run++) {
      const people = Array.from({ length: 120 }, () =>
        [next(), next(), next()].map((value) => Math.floor(value * value * 5)),
      );
      const pair = (a: number, b: number): PairCount[] => {
        const found = new Map<string, PairCount>();
        for (const person of people) {
          const key = `${person[a]!}|${person[b]!}`;
          const count = (found.get(key)?.count ?? 0) + 1;
          found.set(key, { row: `v${person[a]!}`, column: `v${person[b]!}`, count });
        }
        return [...found.values()];
      };
      const [left, right] = [pair(0, 1), pair(1, 2)];
      expect(groupSmall(sums(left, "column"), 11)).toEqual(groupSmall(sums(right, "row"), 11));
    }
  });
});
