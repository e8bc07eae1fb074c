import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decimalText, jsonString, moneyText, periodJson, referenceJson } from "./json-text.js";

describe("jsonString", () => {
  it("is read back by JSON.parse, whatever the string", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(JSON.parse(jsonString(text))).toBe(text);
      }),
      { seed: 11, numRuns: 2000 },
    );
    expect(JSON.parse(jsonString('a "b" \\ \n\u001f\u2028é'))).toBe('a "b" \\ \n\u001f\u2028é');
  });
});

describe("decimalText", () => {
  it("keeps trailing zeros and drops the sign of zero", () => {
    expect(decimalText(6.5, 2)).toBe("6.50");
    expect(decimalText(1, 1)).toBe("1.0");
    expect(decimalText(-0.001, 2)).toBe("0.00");
    expect(decimalText(-2.75, 1)).toBe("-2.8");
    expect(moneyText(998_780)).toBe("9987.80");
  });
});

describe("referenceJson and periodJson", () => {
  it("write a display and an end only when there is one", () => {
    expect(referenceJson("Patient", "1")).toBe('{"reference":"Patient/1"}');
    expect(referenceJson("Patient", "1", 'O\'Brien "Bo"')).toBe(
      '{"reference":"Patient/1","display":"O\'Brien \\"Bo\\""}',
    );
    expect(periodJson("2020", undefined)).toBe('{"start":"2020"}');
    expect(periodJson("2020", "2021")).toBe('{"start":"2020","end":"2021"}');
  });
});
