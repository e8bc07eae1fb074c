import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Connection, Database } from "#duckdb";
import {
  addNumbers,
  compareNumbers,
  decimalBoundary,
  divideNumbers,
  equivalentNumbers,
  multiplyNumbers,
  numberText,
} from "./decimal.js";
import { stringLiteral } from "./quote.js";

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

const number = (text: string): string => `TRY_CAST(${stringLiteral(text)} AS DECIMAL(38,18))`;

describe("decimals", () => {
  it.each([
    ["0.1", "0.3", -1],
    ["1.0", "1.00", 0],
    ["1.0", "1.00000000000000000001", -1],
    ["123456789012345678901", "123456789012345678902", -1],
    ["-123456789012345678901", "-123456789012345678902", 1],
    ["1e30", "1000000000000000000000000000000", 0],
    ["1.0E-22", "0", 1],
    ["-0.0", "0", 0],
    ["0.99999999999999999999", "1", -1],
    ["1e3", "1000.0", 0],
  ])("compare by value: %s with %s", async (a, b, order) => {
    const [x, y] = [stringLiteral(a), stringLiteral(b)];
    expect(await value(compareNumbers(x, y, "="))).toBe(order === 0);
    expect(await value(compareNumbers(x, y, "<"))).toBe(order < 0);
    expect(await value(compareNumbers(x, y, "<="))).toBe(order <= 0);
    expect(await value(compareNumbers(y, x, "<"))).toBe(order > 0);
  });

  it("give NULL when one is missing or no number", async () => {
    for (const other of ["CAST(NULL AS VARCHAR)", "'abc'"]) {
      for (const operator of ["=", "<", "<="] as const) {
        expect(await value(compareNumbers(stringLiteral("1"), other, operator))).toBeNull();
      }
    }
  });

  it.each([
    ["0.1 + 0.2", addNumbers(number("0.1"), number("0.2"), "+"), "0.3"],
    ["1 - 1.10", addNumbers(number("1"), number("1.10"), "-"), "-0.1"],
    ["1.25 * 8", multiplyNumbers(number("1.25"), number("8")), "10"],
    [
      "123456789.123456789 * 2",
      multiplyNumbers(number("123456789.123456789"), number("2")),
      "246913578.246913578",
    ],
    ["3 / 2", divideNumbers(number("3"), number("2")), "1.5"],
    ["2 / 3", divideNumbers(number("2"), number("3")), "0.666666666666667"],
    ["1 / 0", divideNumbers(number("1"), number("0")), null],
    ["overflow", multiplyNumbers(number("1e19"), number("1e19")), null],
    ["the largest sum", addNumbers(number("9e19"), number("9e19"), "+"), null],
  ])("compute %s without rounding or overflow", async (_name, sql, expected) => {
    expect(await value(numberText(`(${sql})`))).toBe(expected);
  });

  it.each([
    ["1.5", "2", true],
    ["1.55", "1.6", true],
    ["1.54", "1.6", false],
    ["1.50", "1.5", true],
    ["10", "11", false],
  ])("are equivalent at the lesser precision: %s ~ %s is %s", async (a, b, expected) => {
    expect(await value(equivalentNumbers(stringLiteral(a), stringLiteral(b)))).toBe(expected);
  });

  it.each([
    ["1.0", undefined, "0.95", "1.05"],
    ["1.587", undefined, "1.5865", "1.5875"],
    ["1.587", "2", "1.58", "1.59"],
    ["1.587", "0", "1", "2"],
    ["1.587", "-1", null, null],
    ["1.587", "32", null, null],
    ["-1.587", undefined, "-1.5875", "-1.5865"],
    ["-1.587", "2", "-1.59", "-1.58"],
    ["1", undefined, "0.5", "1.5"],
    ["1", "0", "0", "2"],
    ["12.500", "4", "12.4995", "12.5005"],
    ["120", "2", "119.5", "120.5"],
    ["1e2", undefined, "50", "150"],
  ])("have boundaries: %s at precision %s", async (text, precision, low, high) => {
    expect(await value(decimalBoundary(stringLiteral(text), "low", precision))).toBe(low);
    expect(await value(decimalBoundary(stringLiteral(text), "high", precision))).toBe(high);
  });
});
