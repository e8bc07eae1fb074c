import { describe, expect, it } from "vitest";
import { changedSource } from "./source-state.js";

describe("news about a source", () => {
  it("merges watermarks type by type and keeps the rest", () => {
    const known = {
      policy: "time" as const,
      watermarks: { Patient: "2026-01-01T00:00:00Z", Observation: "2026-01-01T00:00:00Z" },
      requestHash: "a",
    };
    const next = changedSource(known, "s", "time", {
      watermarks: { Patient: "2026-01-02T00:00:00Z" },
      fence: 3,
      run: "r",
    });
    expect(next).toEqual({
      policy: "time",
      watermarks: { Patient: "2026-01-02T00:00:00Z", Observation: "2026-01-01T00:00:00Z" },
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
});
