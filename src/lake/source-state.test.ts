import { describe, expect, it } from "vitest";
import { changedSource } from "./source-state.js";

describe("news about a source", () => {
  it("replaces what it names and keeps the rest", () => {
    const known = { policy: "time" as const, watermarks: { Patient: "1", Group: "1" }, requestHash: "a" };
    const change = { watermarks: { Patient: "2" }, fence: 3, run: "r" };
    expect(changedSource(known, "s", "time", change)).toEqual({
      policy: "time",
      watermarks: { Patient: "2" },
      requestHash: "a",
      fence: 3,
      run: "r",
    });
  });

  it("is no news when only the run is another", () => {
    const known = { policy: "time" as const, watermarks: { Patient: "1" }, run: "a", fence: 1 };
    expect(
      changedSource(known, "s", "time", { watermarks: { Patient: "1" }, run: "b", fence: 2 }),
    ).toBeUndefined();
  });

  it("refuses a run whose lease was taken over by one that committed", () => {
    const known = { policy: "time" as const, fence: 5 };
    expect(() => changedSource(known, "s", "time", { fence: 4, watermarks: { Patient: "2" } })).toThrow(
      expect.objectContaining({ code: "lake/fenced" }),
    );
  });

  it("refuses a flush of changes between which and what is covered others are missing by now", () => {
    const change = { journalPosition: 9, journalAfter: 5 };
    const covering = (journalPosition: number) => ({ policy: "time" as const, journalPosition });
    expect(changedSource(covering(5), "s", "time", change)).toEqual(covering(9));
    expect(changedSource(covering(7), "s", "time", change)).toEqual(covering(9));
    expect(() => changedSource(covering(4), "s", "time", change)).toThrow(
      expect.objectContaining({ code: "lake/coverage-went-back" }),
    );
    expect(() => changedSource(undefined, "s", "time", change)).toThrow(
      expect.objectContaining({ code: "lake/coverage-went-back" }),
    );
  });
});
