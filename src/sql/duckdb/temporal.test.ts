import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Connection, Database } from "#duckdb";
import { stringLiteral } from "./quote.js";
import {
  addTemporal,
  compareDateTimes,
  compareTimes,
  compareWithDate,
  dateBoundary,
  dateTimeBoundary,
  temporalPart,
  timeBoundary,
} from "./temporal.js";

let database: Database;
let connection: Connection;

beforeAll(async () => {
  database = await Database.open({ threads: 1 });
  connection = await database.connect();
});

afterAll(() => {
  connection.close();
  database.close();
});

async function value(sql: string): Promise<unknown> {
  const [row] = await connection.rows<{ v: unknown }>(`SELECT ${sql} AS v`);
  return row!.v;
}

const text = (value: string | null): string =>
  value === null ? "CAST(NULL AS VARCHAR)" : stringLiteral(value);

describe("comparing dates and dateTimes", () => {
  it.each([
    ["2020", "2020", 0],
    ["2020", "2021", -1],
    ["2020-05", "2020", null],
    ["2020-05", "2021", -1],
    ["2020-05-02", "2020-05", null],
    ["2020-06-02", "2020-05", 1],
    ["2020-01-01", "2020-01-01T10:00:00Z", null],
    ["2020-01-02", "2020-01-01T23:00:00-05:00", 1],
    ["2020-01-01T10:00:00Z", "2020-01-01T11:00:00+01:00", 0],
    ["2020-01-01T10:00:00Z", "2020-01-01T10:00:00.000Z", 0],
    ["2020-01-01T10:00:00.1Z", "2020-01-01T10:00:00.10001Z", -1],
    ["2020-01-01T10:00:00.1234567Z", "2020-01-01T10:00:00.1234568Z", -1],
    ["2020-01-01T10:00Z", "2020-01-01T10:00:30Z", null],
    ["2020-01-01T10:01Z", "2020-01-01T10:00:30Z", 1],
    ["2020-01-01T00:30:00+01:00", "2019-12-31T23:29:59Z", 1],
    ["2020-01-01T10:00:00", "2020-01-01T10:00:00Z", 0],
    [null, "2020", null],
    ["2020", null, null],
  ] as const)("orders %s and %s as %s", async (a, b, expected) => {
    expect(await value(compareDateTimes(text(a), text(b)))).toBe(expected);
    const reverse = expected === null ? null : expected === 0 ? 0 : -expected;
    expect(await value(compareDateTimes(text(b), text(a)))).toBe(reverse);
    if (b !== null && b.length <= 10) expect(await value(compareWithDate(text(a), b))).toBe(expected);
  });

  it.each([
    ["10:30:00", "10:30:00.000", 0],
    ["10:30", "10:30:01", null],
    ["10:30", "10:31:01", -1],
    ["10:30:00.5", "10:30:00.25", 1],
    [null, "10:30", null],
  ] as const)("orders the times %s and %s as %s", async (a, b, expected) => {
    expect(await value(compareTimes(text(a), text(b)))).toBe(expected);
  });
});

describe("boundaries", () => {
  it.each([
    ["1970-06", undefined, "1970-06-01", "1970-06-30"],
    ["2020-02", undefined, "2020-02-01", "2020-02-29"],
    ["2014", undefined, "2014-01-01", "2014-12-31"],
    ["2014", "6", "2014-01", "2014-12"],
    ["2014", "4", "2014", "2014"],
    ["2014-05-06", undefined, "2014-05-06", "2014-05-06"],
    ["2014", "5", null, null],
  ])("of the date %s at precision %s", async (date, precision, low, high) => {
    expect(await value(dateBoundary(text(date), "low", precision))).toBe(low);
    expect(await value(dateBoundary(text(date), "high", precision))).toBe(high);
  });

  it.each([
    ["2010-10-10", undefined, "2010-10-10T00:00:00.000+14:00", "2010-10-10T23:59:59.999-12:00"],
    ["2014-01-01T08:05+08:00", "17", "2014-01-01T08:05:00.000+08:00", "2014-01-01T08:05:59.999+08:00"],
    ["2014-01-01T08", "8", "2014-01-01", "2014-01-01"],
    ["2014-01-01T08:05:06Z", undefined, "2014-01-01T08:05:06.000Z", "2014-01-01T08:05:06.999Z"],
    ["2014-01-01T08:05:06.5Z", undefined, "2014-01-01T08:05:06.500Z", "2014-01-01T08:05:06.599Z"],
    [
      "2014-01-01T08:05:06-05:30",
      undefined,
      "2014-01-01T08:05:06.000-05:30",
      "2014-01-01T08:05:06.999-05:30",
    ],
    ["2014-01-01T08:05:06.1234Z", undefined, "2014-01-01T08:05:06.1234Z", "2014-01-01T08:05:06.1234Z"],
    ["2014-01-01T08:05:06.123", "17", "2014-01-01T08:05:06.123+14:00", "2014-01-01T08:05:06.123-12:00"],
    ["2014-01-01T08:05:06", "14", "2014-01-01T08:05:06+14:00", "2014-01-01T08:05:06-12:00"],
    ["2014-02", undefined, "2014-02-01T00:00:00.000+14:00", "2014-02-28T23:59:59.999-12:00"],
    ["2014-02", "10", "2014-02-01T00+14:00", "2014-02-28T23-12:00"],
    ["2014-02-03T04:05:06Z", "5", null, null],
    ["2014-01-01T08:05:06Z", "12", "2014-01-01T08:05Z", "2014-01-01T08:05Z"],
  ])("of the dateTime %s at precision %s", async (dateTime, precision, low, high) => {
    expect(await value(dateTimeBoundary(text(dateTime), "low", precision))).toBe(low);
    expect(await value(dateTimeBoundary(text(dateTime), "high", precision))).toBe(high);
  });

  it.each([
    ["12:34:00", undefined, "12:34:00.000", "12:34:00.999"],
    ["10:30", "9", "10:30:00.000", "10:30:59.999"],
    ["10", "4", "10:00", "10:59"],
    ["10:30:00.123456", undefined, "10:30:00.123456", "10:30:00.123456"],
  ])("of the time %s at precision %s", async (time, precision, low, high) => {
    expect(await value(timeBoundary(text(time), "low", precision))).toBe(low);
    expect(await value(timeBoundary(text(time), "high", precision))).toBe(high);
  });
});

describe("moving dates", () => {
  it.each([
    ["2020-01-31", "1", "month", "2020-02-29"],
    ["2020-02-29", "1", "year", "2021-02-28"],
    ["2020-03-01", "-1", "day", "2020-02-29"],
    ["2020", "18", "month", "2021"],
    ["2020-02", "-400", "week", "2012-05"],
    ["2020-05-05T23:00:00+02:00", "2", "hour", "2020-05-06T01:00:00+02:00"],
    ["2020-05-05T23:00:00.125Z", "1", "week", "2020-05-12T23:00:00.125Z"],
    ["2020-05-05", "90000", "year", null],
    ["2020-05-05", "1", "mg", null],
  ])("moves %s by %s %s to %s", async (date, amount, unit, expected) => {
    expect(await value(addTemporal(text(date), amount, unit))).toBe(expected);
  });
});

describe("parts", () => {
  it.each([
    ["2020-05-06T07:08:09.5Z", [2020, 5, 6, 7, 8, 9, 500]],
    ["2020-05", [2020, 5, null, null, null, null, null]],
    ["07:08:09", [null, null, null, 7, 8, 9, null]],
  ])("of %s", async (written, expected) => {
    const parts = ["year", "month", "day", "hour", "minute", "second", "millisecond"];
    expect(await Promise.all(parts.map((part) => value(temporalPart(text(written), part))))).toEqual(
      expected,
    );
  });
});
