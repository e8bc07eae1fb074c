import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isLakeError } from "#kernel";
import { ReleaseGuard } from "./release-guard.js";

const K = 11;
const members = (numbers: Iterable<number>): Float64Array => Float64Array.from(numbers).sort();
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

function admitted(guard: ReleaseGuard, cohort: string, persons: Float64Array, state = "snapshot 1"): boolean {
  try {
    guard.admit(cohort, state, persons, K);
    return true;
  } catch (error) {
    if (!isLakeError(error, "cohort/too-similar")) throw error;
    return false;
  }
}

describe("counts of several cohorts", () => {
  it("are shown when the cohorts are equal, far apart, or differ by k", () => {
    const guard = new ReleaseGuard();
    expect(admitted(guard, "a", members(range(0, 100)))).toBe(true);
    expect(admitted(guard, "same", members(range(0, 100)))).toBe(true);
    expect(admitted(guard, "apart", members(range(500, 600)))).toBe(true);
    expect(admitted(guard, "less", members(range(0, 89)))).toBe(true);
  });

  it("are refused when fewer than k persons make the difference, and say of which cohort", () => {
    const guard = new ReleaseGuard();
    guard.admit("a", "snapshot 1", members(range(0, 100)), K);
    expect(admitted(guard, "b", members(range(0, 99)))).toBe(false);
    expect(admitted(guard, "c", members(range(0, 110)))).toBe(false);
    expect(admitted(guard, "a", members(range(0, 101)), "snapshot 2")).toBe(false);
    expect(admitted(guard, "a", members(range(0, 100)))).toBe(true);
    expect(() => guard.admit("b", "snapshot 1", members(range(0, 99)), K)).toThrow(
      "differs by fewer than 11 persons from 'a'",
    );
  });

  it("never tell by subtraction of a group of fewer than k, over a thousand pairs", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 })), {
          minLength: 2,
          maxLength: 12,
        }),
        (cohorts) => {
          const guard = new ReleaseGuard();
          const sets = cohorts.map(([from, size]) => members(range(from, from + size)));
          const shown = sets.filter((set, index) => admitted(guard, `c${index}`, set));
          for (const a of shown) {
            for (const b of shown) {
              const inside = new Set(b);
              if (![...a].every((person) => inside.has(person))) continue;
              const difference = b.length - a.length;
              expect(difference === 0 || difference >= K).toBe(true);
            }
          }
        },
      ),
      { numRuns: 1000, seed: 23 },
    );
  });
});
