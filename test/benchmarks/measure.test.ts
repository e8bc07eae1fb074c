import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interleaved, ratios, spread } from "../../benchmarks/measure.js";

describe("spread", () => {
  it("takes the second least and second greatest of ten, which hold the median with 97.9 %", () => {
    const { low, high, coverage, median } = spread([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect([low, median, high]).toEqual([2, 5.5, 9]);
    expect(coverage).toBeCloseTo(0.9785, 4);
  });

  it("takes least and greatest of five and says that they hold the median with less than 95 %", () => {
    const { low, high, coverage } = spread([3, 1, 5, 4, 2]);
    expect([low, high]).toEqual([1, 5]);
    expect(coverage).toBeCloseTo(0.9375, 4);
  });

  it("holds the true median as often as it says", () => {
    let state = 4711;
    const random = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    let held = 0;
    const rounds = 4000;
    for (let round = 0; round < rounds; round++) {
      const { low, high } = spread(Array.from({ length: 9 }, () => random() ** 3));
      if (low <= 0.125 && 0.125 <= high) held++;
    }
    expect(held / rounds).toBeGreaterThan(0.945);
    expect(held / rounds).toBeLessThan(0.98);
  });

  it("keeps low and high around the median and within least and greatest", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 }),
        (values) => {
          const { min, low, median, high, max, repeats } = spread(values);
          expect(repeats).toBe(values.length);
          expect(min <= low && low <= median && median <= high && high <= max).toBe(true);
        },
      ),
      { seed: 20_261_121, numRuns: 300 },
    );
  });
});

describe("interleaved", () => {
  it("changes who is first from turn to turn and forgets the turns that warm up", async () => {
    const order: string[] = [];
    const side = (name: string) => (turn: number) => {
      order.push(`${name}${turn}`);
      return Promise.resolve(turn);
    };
    const results = await interleaved({ a: side("a"), b: side("b") }, { repeats: 3, warmUps: 1 });
    expect(order).toEqual(["b-1", "a-1", "a0", "b0", "b1", "a1", "a2", "b2"]);
    expect(results).toEqual({ a: [0, 1, 2], b: [0, 1, 2] });
  });

  it("pairs figures for ratios", () => {
    expect(ratios([4, 9], [2, 3])).toEqual([2, 3]);
  });
});
