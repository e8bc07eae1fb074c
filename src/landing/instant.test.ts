import { describe, expect, it } from "vitest";
import { instantHex, instantNs, instantOfMs, parseInstant } from "./instant.js";

describe("instants", () => {
  it("are the same point in time whatever their offset", () => {
    const utc = instantNs("2024-02-29T12:00:00Z");
    for (const text of [
      "2024-02-29T12:00:00+00:00",
      "2024-02-29T17:30:00+05:30",
      "2024-02-29T17:45:00+05:45",
      "2024-03-01T02:00:00+14:00",
      "2024-02-29T02:30:00-09:30",
    ]) {
      expect(instantNs(text)).toBe(utc);
    }
    expect(utc).toBe(BigInt(Date.UTC(2024, 1, 29, 12)) * 1_000_000n);
  });

  it("agree with Date over the days of four centuries", () => {
    for (let day = 0; day < 146_097; day += 13) {
      const date = new Date(Date.UTC(1900, 0, 1) + day * 86_400_000);
      expect(parseInstant(`${date.toISOString().slice(0, 10)}T00:00:00Z`)?.seconds).toBe(
        date.getTime() / 1000,
      );
    }
  });

  it("keep nine digits of a second and cut the rest", () => {
    expect(parseInstant("1970-01-01T00:00:01.5Z")).toEqual({ seconds: 1, nanos: 500_000_000 });
    expect(parseInstant("1970-01-01T00:00:01.000000001Z")).toEqual({ seconds: 1, nanos: 1 });
    expect(parseInstant("1970-01-01T00:00:01.0000000019999Z")).toEqual({ seconds: 1, nanos: 1 });
  });

  it("count a leap second as the first second of the next minute", () => {
    expect(instantNs("2016-12-31T23:59:60Z")).toBe(instantNs("2017-01-01T00:00:00Z"));
  });

  it("reach from the year 1 to the year 9999", () => {
    expect(instantNs("0001-01-01T00:00:00Z")).toBe(-62_135_596_800_000_000_000n);
    expect(instantNs("9999-12-31T23:59:59.999Z")).toBe(253_402_300_799_999_000_000n);
  });

  it.each([
    "2024-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2024-13-01T00:00:00Z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T00:60:00Z",
    "2024-01-01T00:00:61Z",
    "2024-01-01T00:00:00",
    "2024-01-01T00:00Z",
    "2024-01-01",
    "0000-01-01T00:00:00Z",
    "2024-01-01T00:00:00+14:30",
    "2024-01-01T00:00:00+0100",
    "2024-01-01T00:00:00.Z",
    "2024-01-01 00:00:00Z",
    " 2024-01-01T00:00:00Z",
    "",
  ])("refuse %j", (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });

  it("have hex digits that hold their nanoseconds, clamped to what 64 bits can", () => {
    for (const text of [
      "1970-01-01T00:00:00Z",
      "1970-01-01T00:00:04.294967296Z",
      "2024-02-29T12:34:56.123456789Z",
      "2554-07-21T23:34:33.709551615Z",
    ]) {
      expect(instantHex(parseInstant(text)!)).toBe(instantNs(text)!.toString(16).padStart(16, "0"));
    }
    expect(instantHex(parseInstant("1969-12-31T23:59:59Z")!)).toBe("0".repeat(16));
    expect(instantHex(parseInstant("2554-07-21T23:34:34Z")!)).toBe("f".repeat(16));
    expect(instantHex(parseInstant("9999-12-31T00:00:00Z")!)).toBe("f".repeat(16));
  });

  it("come from milliseconds too", () => {
    expect(instantOfMs(1500)).toEqual({ seconds: 1, nanos: 500_000_000 });
    expect(instantOfMs(-1)).toEqual({ seconds: -1, nanos: 999_000_000 });
  });
});
