import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Connection, Database } from "#duckdb";
import { identifier, numberLiteral, stringLiteral } from "./quote.js";

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

const hostile = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        "'",
        '"',
        "\\",
        "\0",
        "\n",
        "\r",
        "--",
        "/*",
        "*/",
        ";",
        "$$",
        "E'",
        "||",
        "chr(0)",
        "é",
        "😀",
      ),
    )
    .map((parts) => parts.join("")),
);

/** What the engine can hold: lone surrogates are no characters. */
const wellFormed = hostile.map((text) =>
  text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "?"),
);

it("writes any string as a literal of that very string, on one line", async () => {
  await fc.assert(
    fc.asyncProperty(wellFormed, async (text) => {
      const literal = stringLiteral(text);
      expect(literal).not.toMatch(/[\n\r\0]/);
      const [row] = await connection.rows(`SELECT ${literal} AS v, 1 AS one`);
      expect(row).toEqual({ v: text, one: 1 });
    }),
    { seed: 7, numRuns: 500 },
  );
});

it("writes any string as an identifier of one column", async () => {
  await fc.assert(
    fc.asyncProperty(
      wellFormed.filter((text) => text !== ""),
      async (text) => {
        const rows = await connection.rows(`SELECT 1 AS ${identifier(text)}`);
        expect(Object.keys(rows[0]!)).toEqual([text.replaceAll("\0", "\u{fffd}")]);
      },
    ),
    { seed: 7, numRuns: 300 },
  );
});

it("writes numbers so that a sign cannot join what stands before them", async () => {
  for (const value of [0, -0, 1, -1, 2 ** 53 - 1, -(2 ** 31), 0.5]) {
    const [row] = await connection.rows<{ v: number | string }>(`SELECT 3 -${numberLiteral(value)} AS v`);
    expect(Number(row!.v)).toBe(3 - value);
  }
  expect(() => numberLiteral(Number.NaN)).toThrow(RangeError);
});
