import { describe, expect, it } from "vitest";
import type { InputFile } from "../ndjson/inputs.js";
import { mayNeedMuchMemory, planUnits, RANGE_BYTES, unitCost } from "./unit-plan.js";

function file(name: string, sizeBytes: number | undefined, more: Partial<InputFile> = {}): InputFile {
  return { name, path: name, sizeBytes, gzip: false, layout: "lines", json: false, ...more };
}

describe("the plan of units", () => {
  it("divides big uncompressed files and leaves the others whole", () => {
    const size = 3 * RANGE_BYTES + 5;
    const units = planUnits([
      file("small", 10),
      file("big", size),
      file("packed", size, { gzip: true }),
      file("document", size, { layout: "detect" }),
      file("-", undefined, { layout: "detect" }),
    ]);
    expect(units.map((unit) => [unit.name, unit.start, unit.end])).toEqual([
      ["small", 0, undefined],
      ["big", 0, RANGE_BYTES],
      ["big", RANGE_BYTES, 2 * RANGE_BYTES],
      ["big", 2 * RANGE_BYTES, 3 * RANGE_BYTES],
      ["big", 3 * RANGE_BYTES, undefined],
      ["packed", 0, undefined],
      ["document", 0, undefined],
      ["-", 0, undefined],
    ]);
    expect(units.map((unit) => unit.ordinal)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(units.slice(1, 5).map(unitCost)).toEqual([RANGE_BYTES, RANGE_BYTES, RANGE_BYTES, 5]);
    expect(units.filter(mayNeedMuchMemory).map((unit) => unit.name)).toEqual(["document"]);
  });

  it("leaves room behind a compressed file for all that can be in it", () => {
    const [packed, next] = planUnits([file("a.gz", 1000, { gzip: true }), file("b", 10)]);
    expect(packed!.positionBase).toBe(0);
    expect(next!.positionBase).toBeGreaterThan(1000 * 1032);
  });

  it("refuses more input than positions can count", () => {
    const size = 300 * 1024 ** 3;
    expect(() => planUnits([file("a.gz", size, { gzip: true })])).toThrow(
      expect.objectContaining({ code: "ingestion/input-too-big" }),
    );
    expect(planUnits([file("a", size)]).length).toBe(size / RANGE_BYTES);
  });
});
