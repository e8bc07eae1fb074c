import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attrition, type MaskCounts, suppressAttrition } from "./attrition.js";

const counts: MaskCounts = {
  persons: 200,
  members: 40,
  masks: new Map([
    [0b11n, 40],
    [0b01n, 30],
    [0b10n, 20],
    [0b00n, 10],
  ]),
};

describe("attrition", () => {
  it("takes the rules in any order from counts by mask", () => {
    const left = (order?: readonly number[]) =>
      attrition(counts, ["a", "b"], order).map(({ remaining }) => remaining);
    expect(left()).toEqual([200, 100, 70, 40]);
    expect(left([1, 0])).toEqual([200, 100, 60, 40]);
  });

  it("says what each rule took away and which one it is", () => {
    expect(attrition(counts, ["a", "b"], [1, 0]).at(2)).toEqual({
      name: "b",
      rule: 1,
      remaining: 60,
      removed: 40,
    });
  });

  it("refuses an order that leaves a rule out or names it twice", () => {
    for (const order of [[0], [0, 0], [1, 2], [0, 1, 2]]) {
      expect(() => attrition(counts, ["a", "b"], order)).toThrow("names each rule once");
    }
  });

  it("under suppression shows no number, and no difference of two numbers, from 1 to k-1", () => {
    const descending = fc
      .array(fc.integer({ min: 0, max: 60 }), { minLength: 2, maxLength: 8 })
      .map((values) => [...values].sort((a, b) => b - a));
    fc.assert(
      fc.property(descending, fc.integer({ min: 3, max: 15 }), (values, k) => {
        const steps = values.map((remaining, index) => ({ name: String(index), remaining, removed: 0 }));
        const shown = suppressAttrition(steps, k).flatMap(({ remaining }) => remaining ?? []);
        for (const [index, a] of shown.entries()) {
          expect(a === 0 || a >= k).toBe(true);
          for (const b of shown.slice(index + 1)) expect(a - b === 0 || a - b >= k).toBe(true);
        }
        const last = values.at(-1)!;
        if (last === 0 || last >= k) expect(shown.at(-1)).toBe(last);
      }),
      { numRuns: 2000, seed: 5 },
    );
  });
});
