import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database, parseColumnType, quoteIdentifier } from "#duckdb";
import { bytesOf, parseCsv } from "../../test/support/result-bytes.js";
import type { EncodedColumn } from "./encoding.js";
import type { ResultFormat } from "./format.js";
import { ResultEncoder } from "./result.js";

let database: Database;

beforeAll(async () => {
  database = await Database.open({ preserveInsertionOrder: true, threads: 1 });
});

afterAll(() => {
  database.close();
});

/** Any text that DuckDB can hold: no lone surrogates, no NUL. */
const anyText = fc
  .string({ unit: "binary", maxLength: 40 })
  .map((text) => Buffer.from(text.replaceAll("\0", "")).toString());
const spikyText = fc
  .array(
    fc.constantFrom(
      '"',
      ",",
      "\n",
      "\r",
      "\\",
      "'",
      " ",
      "é",
      "😀",
      "a",
      "null",
      "{",
      "[",
      "\t",
      "\u2028",
      "=",
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));
const text = fc.oneof(anyText, spikyText);

async function encode(
  columns: readonly EncodedColumn[],
  rows: readonly (readonly (string | null)[])[],
  format: ResultFormat,
) {
  // Values go in as parameters: what is tested is the way out.
  const parameters: string[] = [];
  const cell = (value: string | null, { name, type }: EncodedColumn) => {
    const list = type.kind === "list";
    const bound = value === null ? "NULL" : `$${parameters.push(value)}::VARCHAR`;
    const typed = list ? `from_json(${bound}, '["VARCHAR"]')` : `${bound}::VARCHAR`;
    return `${typed} AS ${quoteIdentifier(name)}`;
  };
  const source = rows
    .map(
      (row, n) => `SELECT ${n} AS _n, ${row.map((value, index) => cell(value, columns[index]!)).join(", ")}`,
    )
    .join(" UNION ALL ");
  const encoder = new ResultEncoder(
    database,
    { source: `SELECT * FROM (${source}) ORDER BY _n`, parameters, columns },
    "/nonexistent",
  );
  return (await bytesOf(await encoder.encode(format, {}))).toString("utf8");
}

const column = (name: string, sqlType = "VARCHAR", decimalText = false): EncodedColumn => ({
  name,
  type: parseColumnType(sqlType),
  decimalText,
});

const runs = { numRuns: 150, seed: 20260117 };

describe("encoders", () => {
  it("write JSON that parses back to every text, in columns of any name", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          spikyText.filter((name) => name !== "" && name.toLowerCase() !== "_n"),
          {
            minLength: 2,
            maxLength: 2,
            selector: (name) => name.toLowerCase(),
          },
        ),
        fc.array(fc.tuple(fc.option(text), fc.option(text)), { minLength: 1, maxLength: 4 }),
        async (names, rows) => {
          const columns = names.map((name) => column(name));
          const json = await encode(columns, rows, "json");
          const expected = rows.map((row) =>
            Object.fromEntries(row.map((value, index) => [names[index]!, value])),
          );
          expect(JSON.parse(json)).toEqual(expected);
          const lines = (await encode(columns, rows, "ndjson")).split("\n");
          expect(lines.pop()).toBe("");
          expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(expected);
        },
      ),
      runs,
    );
  });

  it("write CSV that parses back to every text, null and empty text apart", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.option(text), fc.option(text)), { minLength: 1, maxLength: 4 }),
        async (rows) => {
          const csv = parseCsv(await encode([column("a"), column('b,"')], rows, "csv"));
          expect(csv).toEqual([["a", 'b,"'], ...rows]);
        },
      ),
      runs,
    );
  });

  it("write decimals as the very digits, and what is no JSON number as text", async () => {
    const digits = fc.stringMatching(/^-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?$/);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(digits, text), { minLength: 1, maxLength: 6 }), async (values) => {
        const lines = (
          await encode(
            [column("v", "VARCHAR", true)],
            values.map((value) => [value]),
            "ndjson",
          )
        )
          .trimEnd()
          .split("\n");
        const isNumber = (value: string) => /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(value);
        lines.forEach((line, index) => {
          const value = values[index]!;
          if (isNumber(value)) expect(line).toBe(`{"v":${value}}`);
          else expect(JSON.parse(line)).toEqual({ v: value });
        });
      }),
      runs,
    );
  });

  it("write lists of text whose items parse back, null items and empty lists included", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.option(text), { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
        async (lists) => {
          const rows = lists.map((list) => [JSON.stringify(list)]);
          const lines = (await encode([column("l", "VARCHAR[]")], rows, "ndjson")).trimEnd().split("\n");
          expect(lines.map((line) => (JSON.parse(line) as { l: unknown }).l)).toEqual(lists);
          const csv = parseCsv(
            await encode(
              [column("l", "VARCHAR[]"), column("x")],
              rows.map((row) => [row[0]!, "x"]),
              "csv",
            ),
          );
          expect(csv.slice(1).map((row) => JSON.parse(row[0]!) as unknown)).toEqual(lists);
        },
      ),
      runs,
    );
  });
});
