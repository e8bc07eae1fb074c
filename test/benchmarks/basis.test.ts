import { describe, expect, it } from "vitest";
import { basisOf, endsOf, parentheses, whiskers } from "../../benchmarks/report/basis.js";
import type { Figure } from "../../benchmarks/scenario.js";

const once: Figure = { name: "a", value: 2, unit: "s" };
const sure: Figure = { ...once, low: 1, high: 3, coverage: 0.97, repeats: 7 };
const few: Figure = { ...once, low: 1, high: 3, coverage: 0.75, repeats: 3 };

describe("what a figure is", () => {
  it("is a median with its rank interval only where the interval holds it with 95 %", () => {
    expect(basisOf(sure)).toBe("median of 7; rank interval");
    expect(basisOf(few)).toBe("median of 3; least to greatest");
  });

  it("is the weaker thing where a result does not tell", () => {
    expect(basisOf({ ...once, min: 1, max: 3 })).toBe("least to greatest");
    expect(endsOf({ ...once, low: 1, high: 3, repeats: 9 })).toBe("least to greatest");
    expect(basisOf(once)).toBe("single");
    expect(basisOf({ ...sure, repeats: 1 })).toBe("single");
  });

  it("is what the scenario says where it is no median", () => {
    expect(basisOf({ ...once, min: 1, max: 3, basis: "p95 of 200 requests" })).toBe(
      "p95 of 200 requests; least to greatest",
    );
  });
});

describe("the words below a table", () => {
  it("tell each kind of ends that stands in it", () => {
    expect(parentheses([sure, { ...sure, repeats: 60 }, few, once])).toBe(
      "In parentheses: the 95 % rank interval of the median of 7 to 60 repeats, or the least and the greatest of 3 repeats; without them: single values.",
    );
    expect(parentheses([once])).toBe("");
    expect([whiskers([sure]), whiskers([few]), whiskers([sure, undefined, few])]).toEqual([
      "95 % interval",
      "least to greatest",
      "95 % interval, or least to greatest",
    ]);
  });
});
