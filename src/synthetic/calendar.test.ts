import { describe, expect, it } from "vitest";
import {
  ageAt,
  civilOf,
  DAY,
  dateText,
  dateTimeText,
  dayOf,
  instantText,
  localDay,
  localOffset,
  momentOf,
  utcInstantText,
} from "./calendar.js";

const zone = new Intl.DateTimeFormat("en-US", { timeZone: "America/New_York", timeZoneName: "longOffset" });

function zoneOffset(at: number): number {
  const name = zone.formatToParts(new Date(at * 1000)).find(({ type }) => type === "timeZoneName")!.value;
  return name === "GMT-04:00" ? -14_400 : -18_000;
}

describe("calendar", () => {
  it("counts days as Date does, both ways", () => {
    for (let day = dayOf(1890, 1, 1); day < dayOf(2101, 1, 1); day += 13) {
      const date = new Date(day * DAY * 1000);
      const civil = { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
      expect(civilOf(day)).toEqual(civil);
      expect(dayOf(civil.year, civil.month, civil.day)).toBe(day);
      expect(dateText(day)).toBe(date.toISOString().slice(0, 10));
    }
  });

  it("has the offset of New York on every day since 1921", () => {
    const wrong: string[] = [];
    for (let at = dayOf(1921, 1, 2) * DAY + 43_200; at < dayOf(2038, 1, 1) * DAY; at += DAY) {
      if (localOffset(at) !== zoneOffset(at)) wrong.push(dateTimeText(at));
    }
    expect(wrong).toEqual([]);
  });

  it("changes the clock at the very second", () => {
    for (const text of [
      "2024-03-10T07:00:00Z",
      "2024-11-03T06:00:00Z",
      "1998-04-05T07:00:00Z",
      "1974-01-06T07:00:00Z",
    ]) {
      const change = Date.parse(text) / 1000;
      expect(localOffset(change - 1)).toBe(zoneOffset(change - 1));
      expect(localOffset(change)).toBe(zoneOffset(change));
      expect(localOffset(change)).not.toBe(localOffset(change - 1));
    }
  });

  it("writes dateTimes and instants that Date reads back", () => {
    for (let at = dayOf(1925, 3, 1) * DAY; at < dayOf(2030, 1, 1) * DAY; at += 7 * DAY + 3_601) {
      expect(Date.parse(dateTimeText(at))).toBe(at * 1000);
      expect(Date.parse(instantText(at * 1000 + 7))).toBe(at * 1000 + 7);
      expect(utcInstantText(at * 1000 + 7)).toBe(new Date(at * 1000 + 7).toISOString());
    }
    expect(dateTimeText(Date.parse("2019-07-01T13:30:00Z") / 1000)).toBe("2019-07-01T09:30:00-04:00");
    expect(instantText(Date.parse("2019-01-01T13:30:00.005Z"))).toBe("2019-01-01T08:30:00.005-05:00");
  });

  it("finds the moment of a local time", () => {
    const noon = momentOf(dayOf(2020, 6, 15), 12 * 3600);
    expect(dateTimeText(noon)).toBe("2020-06-15T12:00:00-04:00");
    expect(localDay(noon)).toBe(dayOf(2020, 6, 15));
  });

  it("counts full years of age", () => {
    const born = dayOf(1980, 2, 29);
    expect(ageAt(born, momentOf(dayOf(2000, 2, 28), 3600))).toBe(19);
    expect(ageAt(born, momentOf(dayOf(2000, 2, 29), 3600))).toBe(20);
    expect(ageAt(born, momentOf(dayOf(2001, 3, 1), 3600))).toBe(21);
  });
});
