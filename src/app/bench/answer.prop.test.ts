import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareAnswers, isSame } from "./answer.js";
import type { AnswerRow } from "./question.js";

const value = fc.oneof(
  fc.constantFrom("a", "b", "1"),
  fc.integer({ min: 0, max: 3 }),
  fc.boolean(),
  fc.constant(null),
);
const rows = fc.array(fc.array(value, { minLength: 1, maxLength: 2 }), { maxLength: 12 });
const options = { seed: 20_261_122, numRuns: 300 };

describe("answers are compared as bags of rows", () => {
  it("are the same in any order", () => {
    fc.assert(
      fc.property(rows, fc.infiniteStream(fc.nat()), (all, keys) => {
        const mixed = all
          .map((row) => ({ row, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ row }) => row);
        expect(isSame(compareAnswers(all, mixed))).toBe(true);
      }),
      options,
    );
  });

  it("differ by every row that is added, doubled or of another type of value", () => {
    fc.assert(
      fc.property(rows, fc.array(value, { minLength: 1, maxLength: 2 }), (all, extra) => {
        const more: AnswerRow[] = [...all, extra];
        expect(compareAnswers(all, more)).toEqual({
          fhirRows: all.length,
          lakeRows: all.length + 1,
          onlyFhir: 0,
          onlyLake: 1,
        });
        expect(isSame(compareAnswers(more, all))).toBe(false);
      }),
      options,
    );
    expect(isSame(compareAnswers([["1"]], [[1]]))).toBe(false);
    expect(isSame(compareAnswers([[null]], [["null"]]))).toBe(false);
  });
});
