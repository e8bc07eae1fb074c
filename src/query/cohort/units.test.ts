import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { conversion, isUnit, roundConverted } from "./units.js";

interface OtherLibrary {
  convertUnitTo(
    from: string,
    value: number,
    to: string,
  ): { readonly status: string; readonly toVal: number | null };
}

const require = createRequire(import.meta.url);
/** The National Library of Medicine's implementation, which comes with the FHIRPath oracle: nothing in common with ours. */
const other = (
  require("@lhncbc/ucum-lhc") as { UcumLhcUtils: { getInstance(): OtherLibrary } }
).UcumLhcUtils.getInstance();

const convert = (value: number, from: string, to: string): number | undefined => {
  const linear = conversion(from, to);
  return linear === undefined ? undefined : roundConverted(value * linear.factor + linear.offset);
};

const UNITS = [
  ["mg/dL", "g/L"],
  ["ng/mL", "ug/L"],
  ["umol/L", "mmol/L"],
  ["kg", "[lb_av]"],
  ["[in_i]", "cm"],
  ["[degF]", "Cel"],
  ["K", "Cel"],
  ["Cel", "[degF]"],
  ["mm[Hg]", "kPa"],
  ["10*3/uL", "10*9/L"],
  ["/uL", "10*9/L"],
  ["U/L", "kU/L"],
  ["mL/min/{1.73_m2}", "mL/s"],
  ["{beats}/min", "/s"],
  ["meq/L", "mmol/L"],
  ["mg/g{creat}", "g/kg"],
  ["wk", "d"],
  ["mL/(min.kg)", "L/(h.kg)"],
] as const;

describe("conversion of units", () => {
  it.each(UNITS)("turns %s into %s as another implementation does", (from, to) => {
    for (const value of [0.5, 1, 37.2, 140, 9999]) {
      const expected = other.convertUnitTo(from, value, to);
      expect(expected.status).toBe("succeeded");
      expect(convert(value, from, to)! / expected.toVal!).toBeCloseTo(1, 8);
    }
  });

  it("gives exact decimals where the true value is one", () => {
    expect(convert(650, "mg/dL", "g/L")).toBe(6.5);
    expect(convert(98.6, "[degF]", "Cel")).toBe(37);
    expect(convert(7, "10*3/uL", "10*9/L")).toBe(7);
    expect(convert(150, "[lb_av]", "kg")).toBe(68.0388555);
  });

  it("leaves a unit that is the same up to annotations as it is", () => {
    expect(conversion("%", "%")).toEqual({ factor: 1, offset: 0 });
    expect(conversion("{score}", "1")).toEqual({ factor: 1, offset: 0 });
    expect(conversion("mL/min/{1.73_m2}", "mL/min")).toEqual({ factor: 1, offset: 0 });
    expect(conversion("nonsense", "nonsense")).toEqual({ factor: 1, offset: 0 });
  });

  it.each([
    ["mmol/mol", "%"],
    ["%", "mmol/mol"],
    ["mmol/L", "mg/dL"],
    ["mmol/L", "/L"],
    ["mol", "1"],
    ["U/L", "[IU]/L"],
    ["[pH]", "1"],
    ["B", "1"],
    ["kg", "m"],
    ["bogus", "kg"],
    ["kg", "bogus"],
    ["", "kg"],
    ["mEq/L", "mmol/L"],
  ])("does not turn %s into %s", (from, to) => {
    expect(conversion(from, to)).toBeUndefined();
  });

  it("knows a UCUM unit when it sees one", () => {
    expect(["mg/dL", "mL/min/{1.73_m2}", "%", "1", "{score}", "mm[Hg]"].filter(isUnit)).toHaveLength(6);
    expect(["mgdl", "", " kg", "mEq/L", "kg;DROP"].filter(isUnit)).toEqual([]);
  });
});
