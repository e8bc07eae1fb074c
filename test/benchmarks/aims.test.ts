import { describe, expect, it } from "vitest";
import { keepsAim, missedSection } from "../../benchmarks/report/aims.js";
import { circumstances, doubts } from "../../benchmarks/report/circumstances.js";
import type { Figure } from "../../benchmarks/scenario.js";

function figure(name: string, value: number, bar?: string): Figure {
  return { name, value, unit: "x", ...(bar === undefined ? {} : { bar }) };
}

describe("aims", () => {
  it.each([
    [2, "<= 2", true],
    [2.01, "<= 2", false],
    [250, "< 250", false],
    [5000, ">= 5000", true],
    [1, "> 1", false],
    [0, "0", true],
    [1, "0", false],
  ])("are kept or missed: %d for %s", (value, bar, isKept) => {
    expect(keepsAim(value, bar)).toBe(isKept);
  });

  it("that nobody can check are refused", () => {
    expect(() => keepsAim(1, "fast")).toThrow("The aim 'fast' is none");
  });

  it("that are missed are listed with enough digits to see it; kept ones are not", () => {
    const results = new Map([
      ["one", { machine: {}, figures: [figure("kept", 1, "<= 1"), figure("free", 9)] }],
      ["two", { machine: {}, figures: [figure("late", 1.1002, "<= 1.1")] }],
    ]);
    const text = missedSection(results).join("\n");
    expect(text).toContain("1 of the 2 figures");
    expect(text).toContain("| late | 1.1002 x | <= 1.1 | [two](#two) |");
    expect(text).not.toContain("kept");
    expect(missedSection(new Map()).join("\n")).toContain("None of the 0 figures");
  });
});

describe("the line about a measurement", () => {
  it("says in words when other work was running and when the sources were changed", () => {
    const machine = { date: "2026-01-01", commit: "abc+", busyBefore: 0.4 };
    const text = circumstances({ machine, figures: [] });
    expect(text).toContain("other work was running (40 % of the processors before the start)");
    expect(text).toContain("changed since");
  });

  it("says nothing against a clean one, and doubts what is not recorded", () => {
    expect(doubts({ machine: { commit: "abc", busyBefore: 0.02 }, figures: [] })).toEqual([]);
    expect(doubts({ machine: {}, figures: [] })).toHaveLength(2);
  });
});
