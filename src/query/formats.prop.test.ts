import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import fc from "fast-check";
import { readSheet } from "read-excel-file/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database, quoteLiteral } from "#duckdb";
import { createParquetLake, everyType, type ParquetLake } from "../../test/support/parquet-lake.js";
import { bytesOf, parquetRows, parseCsv } from "../../test/support/result-bytes.js";
import { type ResultFormat, resultFormats } from "./format.js";
import { createQuery, type QueryService } from "./query-service.js";
import type { EncodeOptions } from "./result.js";

let lake: ParquetLake;
let database: Database;
let query: QueryService;

beforeAll(async () => {
  lake = await createParquetLake();
  database = await Database.open({ preserveInsertionOrder: true, threads: 2 });
  query = createQuery({ catalog: lake.catalog, database, temporaryFolder: path.join(lake.folder, "tmp") });
});

afterAll(async () => {
  expect(lake.held()).toBe(0);
  database.close();
  await lake.close();
});

async function encoded(view: string, format: ResultFormat, options: EncodeOptions = {}): Promise<Buffer> {
  const read = await query.readView({ view });
  try {
    return await bytesOf(await read.encode(format, options));
  } finally {
    read.release();
  }
}

interface Row {
  readonly text: string | null;
  readonly decimal: string | null;
  readonly small: number | null;
  readonly big: bigint | null;
  readonly double: number | null;
  readonly flag: boolean | null;
  readonly day: string | null;
  readonly instant: number | null;
}

const columns = [
  { name: "text", sqlType: "VARCHAR" },
  { name: "decimal", sqlType: "VARCHAR", fhirType: "decimal" },
  { name: "small", sqlType: "INTEGER" },
  { name: "big", sqlType: "BIGINT" },
  { name: "double", sqlType: "DOUBLE" },
  { name: "flag", sqlType: "BOOLEAN" },
  { name: "day", sqlType: "DATE" },
  { name: "instant", sqlType: "TIMESTAMP WITH TIME ZONE" },
];

const orNull = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { freq: 4 });
const characters = fc.constantFrom(
  ..."ab =+-@,;\t\n\r\"'\\|<>&_x0041_é😀",
  "\u0001",
  "\ufffe",
  "NA",
  "_x000D_",
  "<br>",
);
const rowsOf: fc.Arbitrary<Row[]> = fc.array(
  fc.record({
    text: orNull(fc.array(characters, { maxLength: 12 }).map((parts) => parts.join(""))),
    decimal: orNull(fc.constantFrom("1.10", "-0.0", "12345678901234567890.1234567890", "0.000", "1e3")),
    small: orNull(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    big: orNull(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    double: orNull(fc.double({ noNaN: true, noDefaultInfinity: true })),
    flag: orNull(fc.boolean()),
    day: orNull(
      fc.constantFrom("0001-01-01", "1899-12-31", "1900-02-28", "1900-03-01", "2024-02-29", "9999-12-31"),
    ),
    instant: orNull(fc.integer({ min: -1_000_000_000, max: 4_000_000_000 })),
  }),
  { minLength: 1, maxLength: 8 },
);

function literal(column: string, value: unknown): string {
  if (value !== null && column === "instant") return `make_timestamptz(${String(value)}::BIGINT * 1000000)`;
  const types: Record<string, string> = {
    instant: "TIMESTAMPTZ",
    small: "INTEGER",
    big: "BIGINT",
    double: "DOUBLE",
    flag: "BOOLEAN",
    day: "DATE",
  };
  if (value === null) return `CAST(NULL AS ${types[column] ?? "VARCHAR"})`;
  const text = Object.is(value, -0) ? "-0.0" : String(value);
  return `CAST(${quoteLiteral(text)} AS ${types[column] ?? "VARCHAR"})`;
}

function selectOf(rows: readonly Row[]): string {
  const names = columns.map(({ name }) => `"${name}"`).join(", ");
  const values = rows.map((row, index) => {
    const cells = columns.map(({ name }) => literal(name, row[name as keyof Row]));
    return `('k${index}', ${cells.join(", ")})`;
  });
  return `SELECT * FROM (VALUES ${values.join(", ")}) t(_lake_key, ${names})`;
}

const instantText = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

/** A row as every format must give it back: text of each value, null for NULL. */
function expected(row: Row): (string | null)[] {
  return columns.map(({ name }) => {
    const value = row[name as keyof Row];
    if (value === null) return null;
    if (name === "instant") return instantText(Number(value));
    return String(value);
  });
}

/** The text of a value as a reader gave it. Doubles are compared as numbers. */
function seen(name: string, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (name === "double") return String(Number(value) === 0 ? Number(value) : Number(value));
  if (value instanceof Date) {
    const text = value.toISOString();
    return name === "day" ? text.slice(0, 10).replace(/^\+0+/, "") : text.replace(".000Z", "Z");
  }
  if (name === "day" && typeof value === "number") return seen(name, new Date(value));
  if (name === "instant" && typeof value === "number") return seen(name, new Date(value));
  return String(value);
}

const normal = (name: string, text: string | null): string | null =>
  name === "double" && text !== null ? String(Number(text)) : text;

function compare(rows: readonly Row[], found: readonly (readonly unknown[])[], format: string): void {
  const wanted = rows.map((row) => expected(row).map((text, i) => normal(columns[i]!.name, text)));
  const got = found.map((row) => columns.map(({ name }, i) => seen(name, row[i])));
  expect(got, format).toEqual(wanted);
}

describe("one question in every format", () => {
  it("has the same values for readers that are not ours, whatever the values", async () => {
    let name = 0;
    await fc.assert(
      fc.asyncProperty(rowsOf, async (rows) => {
        const view = `random${name++}`;
        await lake.commit([{ name: view, columns, select: selectOf(rows) }]);
        const names = columns.map((column) => column.name);
        const pick = (row: Record<string, unknown>): unknown[] => names.map((column) => row[column]);

        for (const format of ["csv", "tsv"] as const) {
          const text = (await encoded(view, format)).toString();
          const lines = parseCsv(text, format === "csv" ? "," : "\t");
          expect(lines[0]).toEqual(names);
          compare(rows, lines.slice(1), format);
        }
        const ndjson = (await encoded(view, "ndjson", { numbersAsText: true }))
          .toString()
          .trimEnd()
          .split("\n");
        compare(
          rows,
          ndjson.map((line) => pick(JSON.parse(line) as Record<string, unknown>)),
          "ndjson",
        );
        compare(rows, (await parquetRows(await encoded(view, "parquet"))).map(pick), "parquet");
        for (const format of ["arrow", "arrows"] as const) {
          const table = tableFromIPC(await encoded(view, format));
          compare(
            rows,
            table.toArray().map((row) => pick((row as { toJSON(): Record<string, unknown> }).toJSON())),
            format,
          );
        }
        const sheet = await readSheet(await encoded(view, "xlsx", { sheet: view }), view, { trim: false });
        expect(sheet[0]).toEqual(names);
        // The reader leaves rows out at the end that are empty, and cannot tell the empty text from nothing.
        const cells = rows.map((_, index) => names.map((__, column) => sheet[index + 1]?.[column] ?? null));
        compare(
          rows.map((row) => ({ ...row, text: row.text === "" ? null : row.text })),
          cells,
          "xlsx",
        );
      }),
      { seed: 71, numRuns: Number(process.env["FHIR_LAKE_PROP_RUNS"] ?? 5) },
    );
  }, 300_000);

  it("has the same bytes when it is asked again", async () => {
    await lake.commit([everyType]);
    for (const format of resultFormats) {
      const first = await encoded("every_type", format);
      expect((await encoded("every_type", format)).equals(first), format).toBe(true);
    }
  });
});

describe("options", () => {
  beforeAll(async () => {
    await lake.commit([everyType]);
  });

  it("name NULL in CSV, and keep text that reads the same apart from it", async () => {
    const rows = (await encoded("every_type", "csv", { nullText: "male" })).toString().split("\n");
    expect(rows.some((line) => line.startsWith("Patient/3,male,male,male,"))).toBe(true);
    expect(rows.some((line) => line.startsWith('Patient/2,"male","",'))).toBe(true);
  });

  it("make CSV safe for spreadsheet programs, and leave it as it is otherwise", async () => {
    const plain = (await encoded("every_type", "csv")).toString();
    expect(plain).toContain("=1+1\n");
    expect(plain.startsWith("\uFEFF")).toBe(false);
    const safe = (await encoded("every_type", "csv", { spreadsheet: true })).toString();
    expect(safe.startsWith("\uFEFFpatient_key,")).toBe(true);
    expect(safe).toContain("'=1+1\n");
    expect(safe).toContain(",-1,-5,");
  });

  it("end NDJSON with a line that proves it whole, and put JSON into an object", async () => {
    const { createHash } = await import("node:crypto");
    const text = (await encoded("every_type", "ndjson", { trailer: { next: null } })).toString();
    const lines = text.trimEnd().split("\n");
    const trailer = JSON.parse(lines.at(-1)!) as { _trailer: Record<string, unknown> };
    const sha256 = createHash("sha256")
      .update(`${lines.slice(0, -1).join("\n")}\n`)
      .digest("hex");
    expect(trailer).toEqual({ _trailer: { rows: 4, sha256, next: null } });
    const body = JSON.parse(
      (await encoded("every_type", "json", { envelope: { truncated: false } })).toString(),
    ) as Record<string, unknown>;
    expect(body).toMatchObject({ rowCount: 4, truncated: false });
    expect(body["rows"]).toHaveLength(4);
  });

  it("write 64-bit integers and decimals as strings when asked", async () => {
    const [row] = JSON.parse(
      (await encoded("every_type", "json", { numbersAsText: true })).toString(),
    ) as Record<string, unknown>[];
    expect(row).toMatchObject({
      value_text: "1.10",
      dose: "12.500",
      big: "9007199254740993",
      age: 42,
      value_number: 0.1,
    });
    expect(row!["scores"]).toEqual(["1.0", null, "12345678901234567890.123456789"]);
  });

  it("make Markdown that shows values and runs nothing", async () => {
    const select = `SELECT 'k' AS _lake_key, '<script>|[x](javascript:y) *b*' || chr(10) || '&' AS v`;
    await lake.commit([{ name: "markup", columns: [{ name: "v", sqlType: "VARCHAR" }], select }]);
    expect((await encoded("markup", "md")).toString()).toBe(
      "| v |\n| --- |\n| &lt;script>\\|\\[x\\](javascript:y) \\*b\\*<br>&amp; |\n",
    );
  });

  it("refuse a workbook that would have to leave something out", async () => {
    const columns = [{ name: "v", sqlType: "VARCHAR" }];
    await lake.commit([
      { name: "long_text", columns, select: "SELECT 'k' AS _lake_key, repeat('x', 32768) AS v" },
      {
        name: "long_list",
        columns,
        select: "SELECT i::VARCHAR AS _lake_key, 'x' AS v FROM range(1048576) t(i)",
      },
    ]);
    await expect(encoded("long_text", "xlsx")).rejects.toMatchObject({ code: "query/too-big-for-xlsx" });
    await expect(encoded("long_list", "xlsx")).rejects.toThrow("there are 1048576");
  });
});
