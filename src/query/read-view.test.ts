import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import type { LakeError } from "#kernel";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../../test/support/parquet-lake.js";
import { bytesOf, parquetRows, parseCsv } from "../../test/support/result-bytes.js";
import type { ResultFormat } from "./format.js";
import { createQuery, type QueryService } from "./query-service.js";
import type { ViewRequest } from "./read-view.js";

let lake: ParquetLake;
let database: Database;
let query: QueryService;
let temporaryFolder: string;

beforeAll(async () => {
  lake = await createParquetLake();
  temporaryFolder = path.join(lake.folder, "tmp");
  database = await Database.open({ preserveInsertionOrder: true, threads: 2 });
  query = createQuery({ catalog: lake.catalog, database, temporaryFolder });
  const several = {
    name: "several",
    columns: [{ name: "v", sqlType: "VARCHAR" }],
    select:
      "SELECT * FROM (VALUES ('k2', 'z'), ('k1', 'b'), ('k1', NULL), ('k2', '0'), ('k1', 'a')) t(_lake_key, v)",
  };
  await lake.commit([
    everyType,
    manyRows("many", 30_000),
    { ...manyRows("layers", 30_000), layered: true },
    several,
    { ...manyRows("later", 1), state: "building" },
  ]);
  await lake.commit([
    { ...everyType, select: `SELECT * FROM (${everyType.select}) WHERE patient_key <> 'Patient/1'` },
  ]);
});

afterAll(async () => {
  expect(lake.held()).toBe(0);
  database.close();
  await lake.close();
});

async function read(
  request: ViewRequest,
  format: ResultFormat,
): Promise<{ bytes: Buffer; rowCount: number }> {
  const answer = await query.readView({ snapshot: 1, ...request });
  try {
    const result = await answer.encode(format, {
      metadata: new Map([["lake_snapshot", String(answer.state.id)]]),
    });
    const bytes = await bytesOf(result);
    return { bytes, rowCount: result.rowCount() };
  } finally {
    answer.release();
  }
}

async function json(request: ViewRequest): Promise<Record<string, unknown>[]> {
  return JSON.parse((await read(request, "json")).bytes.toString()) as Record<string, unknown>[];
}

async function keys(request: ViewRequest): Promise<unknown[]> {
  return (await json({ select: ["patient_key"], ...request })).map((row) => row["patient_key"]);
}

async function failure(request: ViewRequest): Promise<unknown> {
  try {
    await read(request, "json");
  } catch (error) {
    return error;
  }
  throw new Error("the question was answered");
}

describe("JSON answers", () => {
  it("keep decimals as number literals with the digits as written, and everything else exact", async () => {
    const { bytes, rowCount } = await read({ view: "every_type" }, "json");
    expect(rowCount).toBe(4);
    const lines = bytes.toString().split("\n");
    expect(lines[0]).toBe("[");
    expect(lines[1]).toBe(
      String.raw`{"patient_key":"Patient/1","gender":"female","note":"says \"hi\", twice\nand é😀","value_text":1.10,"value_number":0.1,"active":true,"age":42,"big":"9007199254740993","birth_date":"1980-01-31","seen_at":"2026-01-31T11:45:00.123456Z","local_at":"2026-01-31T13:45:00","dose":12.500,"uid":"00000000-0000-0000-0000-00000000000a","given":["Ann",null,"O\"Neil",""],"scores":[1.0,null,12345678901234567890.123456789],"days":["2020-02-29",null],"odd \"name":"x"},`,
    );
    expect(lines[2]).toContain(
      '"value_text":12345678901234567890.1234567890,"value_number":1e+20,"active":false,"age":-1,"big":-5,"birth_date":"0999-12-31","seen_at":"1969-12-31T23:59:59Z"',
    );
    expect(lines[2]).toContain('"given":[],"scores":[],"days":[]');
    expect(lines[3]).toBe(
      `{"patient_key":"Patient/3",${everyType.columns
        .slice(1)
        .map((column) => `${JSON.stringify(column.name)}:null`)
        .join(",")}},`,
    );
    expect(lines[4]).toContain('"value_text":-0.0e-3');
    expect(lines[4]).toContain('"big":9007199254740991');
    expect(lines[4]).toContain('"scores":["not a number"]');
    expect(lines.slice(5)).toEqual(["]", ""]);
    expect(JSON.parse(bytes.toString())).toHaveLength(4);
  });

  it("are an empty array when no row matches", async () => {
    expect(await json({ view: "every_type", limit: 0 })).toEqual([]);
    expect(
      await json({ view: "every_type", filters: [{ column: "gender", operator: "eq", value: "none" }] }),
    ).toEqual([]);
  });

  it("equal the NDJSON lines", async () => {
    const lines = (await read({ view: "every_type" }, "ndjson")).bytes.toString();
    expect(lines.endsWith("}\n")).toBe(true);
    expect(
      lines
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(await json({ view: "every_type" }));
    expect((await read({ view: "every_type", limit: 0 }, "ndjson")).bytes.toString()).toBe("");
  });
});

describe("all formats", () => {
  const text = (value: unknown): unknown => {
    if (value === undefined || value === null) return null;
    if (value instanceof Date) return value.toISOString();
    return Array.isArray(value) ? value.map(text) : value;
  };

  it("carry equal values: CSV", async () => {
    const expected = await json({ view: "every_type" });
    const rows = parseCsv((await read({ view: "every_type" }, "csv")).bytes.toString());
    const names = everyType.columns.map((column) => column.name);
    expect(rows[0]).toEqual(names);
    expect(rows).toHaveLength(5);
    const raw = { value_text: "1.10", value_number: "0.1", dose: "12.500" } as Record<string, string>;
    names.forEach((name, index) => {
      const value = expected[0]![name];
      const wanted =
        name === "given" || name === "days" ? JSON.stringify(value) : (raw[name] ?? String(value));
      if (name !== "scores") expect(rows[1]![index], name).toBe(wanted);
    });
    expect(rows[1]![names.indexOf("scores")]).toBe('["1.0",null,"12345678901234567890.123456789"]');
    expect(rows[3]!.slice(1)).toEqual(names.slice(1).map(() => null));
    expect(rows[2]![2]).toBe("");
    expect(rows[4]![2]).toBe(" 007 ");
  });

  it("carry equal values and types: Parquet, read without DuckDB", async () => {
    const { bytes, rowCount } = await read({ view: "every_type" }, "parquet");
    expect(rowCount).toBe(4);
    const rows = await parquetRows(bytes);
    const expected = await json({ view: "every_type" });
    const decimals = ["1.10", "12345678901234567890.1234567890", null, "-0.0e-3"];
    expect(rows).toHaveLength(4);
    rows.forEach((row, index) => {
      for (const name of [
        "patient_key",
        "gender",
        "note",
        "value_number",
        "active",
        "age",
        "uid",
        "given",
        'odd "name',
        "dose",
      ]) {
        expect(text(row[name]), `${name} ${index}`).toEqual(expected[index]![name]);
      }
      expect(row["value_text"] ?? null).toBe(decimals[index]);
      expect(row["big"] === null || row["big"] === undefined ? null : String(row["big"])).toBe(
        ["9007199254740993", "-5", null, "9007199254740991"][index],
      );
      const day = text(row["birth_date"]) as string | null;
      expect(day === null ? null : day.slice(0, 10)).toBe(expected[index]!["birth_date"]);
      const at = text(row["seen_at"]) as string | null;
      expect(at === null ? null : at.slice(0, 19)).toBe(
        (expected[index]!["seen_at"] as string | null)?.slice(0, 19) ?? null,
      );
    });
    expect(await readdir(temporaryFolder)).toEqual([]);
  });

  it("carry equal values and types: Arrow", async () => {
    const table = tableFromIPC((await read({ view: "every_type" }, "arrow")).bytes);
    const types = Object.fromEntries(table.schema.fields.map((field) => [field.name, String(field.type)]));
    expect(types).toMatchObject({
      patient_key: "Utf8",
      value_text: "Utf8",
      value_number: "Float64",
      active: "Bool",
      age: "Int32",
      big: "Int64",
      birth_date: "Date32<DAY>",
      seen_at: "Timestamp<MICROSECOND, UTC>",
      local_at: "Timestamp<MICROSECOND>",
      uid: "Utf8",
      given: "List<Utf8>",
      days: "List<Date32<DAY>>",
    });
    expect(types["dose"]).toContain("10");
    expect(table.schema.metadata.get("lake_snapshot")).toBe("1");
    const expected = await json({ view: "every_type" });
    expected.forEach((row, index) => {
      for (const name of [
        "patient_key",
        "gender",
        "note",
        "value_number",
        "active",
        "age",
        "uid",
        'odd "name',
      ]) {
        expect(table.getChild(name)!.get(index), `${name} ${index}`).toEqual(row[name]);
      }
      const big = table.getChild("big")!.get(index) as bigint | null;
      expect(big === null ? null : Number(big) === Number(row["big"])).toBe(
        row["big"] === null ? null : true,
      );
      const birth = table.getChild("birth_date")!.get(index) as number | null;
      expect(birth === null ? null : new Date(birth).toISOString().slice(0, 10)).toBe(row["birth_date"]);
      const given = table.getChild("given")!.get(index) as { toArray(): unknown } | null;
      expect(given === null ? null : [...(given as unknown as Iterable<unknown>)]).toEqual(row["given"]);
    });
    expect(table.getChild("value_text")!.get(0)).toBe("1.10");
  });

  it("carry the same rows in the same order on every run, over several chunks and batches", async () => {
    const rows = await json({ view: "many" });
    expect(rows).toHaveLength(30_000);
    expect(rows.map((row) => row["n"])).toEqual(Array.from({ length: 30_000 }, (_, n) => n));
    const csv = parseCsv((await read({ view: "many" }, "csv")).bytes.toString());
    expect(csv.slice(1).map((row) => row[0])).toEqual(rows.map((row) => row["patient_key"]));
    const arrow = tableFromIPC((await read({ view: "many" }, "arrow")).bytes);
    expect(arrow.getChild("display")!.toArray()).toEqual(rows.map((row) => row["display"]));
    const parquet = await parquetRows((await read({ view: "many" }, "parquet")).bytes);
    expect(parquet.map((row) => row["n"])).toEqual(rows.map((row) => row["n"]));
    for (const format of ["json", "ndjson", "csv", "arrow", "parquet"] as const) {
      expect(
        (await read({ view: "many" }, format)).bytes.equals((await read({ view: "many" }, format)).bytes),
        format,
      ).toBe(true);
    }
  });
});

describe("the order of rows", () => {
  it("is by resource key and then by value, however many threads and layers there are", async () => {
    const parallel = await Database.open({ preserveInsertionOrder: true, threads: 4 });
    const other = createQuery({ catalog: lake.catalog, database: parallel, temporaryFolder });
    for (const format of ["ndjson", "csv", "arrow", "parquet"] as const) {
      for (const question of [
        {},
        { limit: 777 },
        { filters: [{ column: "gender", operator: "eq", value: "male" } as const] },
      ]) {
        const digests = new Set<string>();
        for (const [service, view] of [
          [query, "many"],
          [query, "layers"],
          [other, "layers"],
          [other, "layers"],
        ] as const) {
          const answer = await service.readView({ view, snapshot: 1, ...question });
          digests.add(
            createHash("sha256")
              .update(await bytesOf(await answer.encode(format)))
              .digest("hex"),
          );
          answer.release();
        }
        expect(digests.size, `${format} ${JSON.stringify(question)}`).toBe(1);
      }
    }
    parallel.close();
  });

  it("puts rows of one resource next to each other, sorted by value with nulls last", async () => {
    const rows = await json({ view: "several", select: ["v"] });
    expect(rows.map((row) => row["v"])).toEqual(["a", "b", null, "0", "z"]);
    expect((await json({ view: "several", select: ["v"], limit: 2 })).map((row) => row["v"])).toEqual([
      "a",
      "b",
    ]);
    expect((await json({ view: "several", select: ["v"], limit: 4 })).map((row) => row["v"])).toEqual([
      "a",
      "b",
      null,
      "0",
    ]);
  });
});

describe("questions", () => {
  it("choose columns in the order asked", async () => {
    expect(await json({ view: "every_type", select: ["age", "patient_key"], limit: 1 })).toEqual([
      { age: 42, patient_key: "Patient/1" },
    ]);
  });

  it.each([
    ["gender", "female", ["Patient/1", "Patient/4"]],
    ["note", "", ["Patient/2"]],
    ["value_text", "1.10", ["Patient/1"]],
    ["value_text", "1.1", []],
    ["value_number", "-2.50", ["Patient/4"]],
    ["value_number", "1e20", ["Patient/2"]],
    ["active", "true", ["Patient/1", "Patient/4"]],
    ["age", "2147483647", ["Patient/4"]],
    ["big", "9007199254740993", ["Patient/1"]],
    ["birth_date", "2000-02-29", ["Patient/4"]],
    ["seen_at", "2026-01-31T11:45:00.123456Z", ["Patient/1"]],
    ["seen_at", "2026-01-31T13:45:00.123456+02:00", ["Patient/1"]],
    ["local_at", "1900-01-01T00:00:00.5", ["Patient/2"]],
    ["dose", "12.5", ["Patient/1"]],
    ["uid", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff", ["Patient/2"]],
    ['odd "name', "a,b", ["Patient/2"]],
  ])("filter %s = %s", async (column, value, expected) => {
    expect(await keys({ view: "every_type", filters: [{ column, operator: "eq", value }] })).toEqual(
      expected,
    );
  });

  it("join several filters by AND", async () => {
    const filters = [
      { column: "gender", operator: "eq", value: "female" },
      { column: "age", operator: "eq", value: "42" },
    ] as const;
    expect(await keys({ view: "every_type", filters })).toEqual(["Patient/1"]);
  });

  it.each([
    ["active", "yes"],
    ["age", "2147483648"],
    ["age", "1.5"],
    ["age", ""],
    ["big", "9223372036854775808"],
    ["value_number", "NaN"],
    ["value_number", "1e999"],
    ["birth_date", "2001-02-29"],
    ["birth_date", "1980"],
    ["seen_at", "2026-01-31T11:45:00"],
    ["seen_at", "2026-01-31"],
    ["local_at", "2026-01-31T11:45:00Z"],
    ["dose", "1.2345"],
    ["dose", "12345678"],
    ["uid", "7"],
    ["gender", "a\0b"],
  ])("refuse %s = %j", async (column, value) => {
    const error = await failure({ view: "every_type", filters: [{ column, operator: "eq", value }] });
    expect(error).toMatchObject({ kind: "invalid-input", code: "query/bad-value", details: { column } });
  });

  it("do not repeat a refused value in the message", async () => {
    for (const column of ["age", "birth_date", "seen_at", "uid"]) {
      const error = await failure({
        view: "every_type",
        filters: [{ column, operator: "eq", value: "canary-77" }],
      });
      expect(JSON.stringify([(error as LakeError).message, (error as LakeError).details])).not.toContain(
        "canary",
      );
    }
  });

  it("name the nearest view and column when there is none of that name", async () => {
    expect(await failure({ view: "every_typ" })).toMatchObject({
      kind: "not-found",
      code: "query/unknown-view",
      message: expect.stringContaining("'every_type'") as string,
    });
    expect(await failure({ view: "every_type", select: ["gendr"] })).toMatchObject({
      code: "query/unknown-column",
      message: expect.stringContaining("'gender'") as string,
    });
    expect(
      await failure({ view: "every_type", filters: [{ column: "ag", operator: "eq", value: "1" }] }),
    ).toMatchObject({ code: "query/unknown-column", message: expect.stringContaining("'age'") as string });
    expect(await failure({ view: "every_type", select: ["_lake_key"] })).toMatchObject({
      code: "query/unknown-column",
    });
  });

  it("refuse lists in filters, columns named twice, no columns and limits that are no counts", async () => {
    expect(
      await failure({ view: "every_type", filters: [{ column: "given", operator: "eq", value: "Ann" }] }),
    ).toMatchObject({ code: "query/list-filter" });
    expect(await failure({ view: "every_type", select: ["age", "age"] })).toMatchObject({
      code: "query/duplicate-column",
    });
    expect(await failure({ view: "every_type", select: [] })).toMatchObject({ code: "query/no-columns" });
    for (const limit of [-1, 1.5, Number.NaN, 1e300])
      expect(await failure({ view: "every_type", limit })).toMatchObject({ code: "query/bad-limit" });
  });

  it("are refused for a while when the view is being built, and answered from the snapshot asked for", async () => {
    expect(await failure({ view: "later" })).toMatchObject({
      kind: "unavailable",
      retryable: true,
      code: "query/view-building",
    });
    expect(await failure({ view: "every_type", snapshot: 99 })).toMatchObject({ kind: "not-found" });
    expect(await keys({ view: "every_type", snapshot: 2 })).toEqual(["Patient/2", "Patient/3", "Patient/4"]);
    const newest = await query.readView({ view: "every_type" });
    newest.release();
    expect(newest.state).toMatchObject({ id: 2, committedAt: "2026-01-02T12:00:00.000Z" });
  });

  it("have equal fingerprints exactly when they are the same question to the same snapshot", async () => {
    const print = async (request: ViewRequest) => {
      const answer = await query.readView(request);
      answer.release();
      return answer.fingerprint;
    };
    const base = { view: "every_type", snapshot: 1 };
    const others = [
      { ...base, snapshot: 2 },
      { ...base, limit: 1 },
      { ...base, select: ["age"] },
      { ...base, filters: [{ column: "gender", operator: "eq", value: "male" } as const] },
      { ...base, view: "many" },
    ];
    const prints = await Promise.all([base, ...others].map(print));
    expect(new Set(prints).size).toBe(6);
    expect(await print({ view: "every_type", snapshot: 1 })).toBe(prints[0]);
  });

  it("stop when the reader gives up, and hold nothing afterwards", async () => {
    const controller = new AbortController();
    const answer = await query.readView({ view: "many", snapshot: 1 });
    const result = await answer.encode("ndjson", { signal: controller.signal });
    await result.body.next();
    controller.abort();
    await expect(bytesOf(result)).rejects.toMatchObject({ code: "duckdb/interrupted" });
    await result.close();
    const unread = await answer.encode("parquet");
    await unread.close();
    expect(await readdir(temporaryFolder)).toEqual([]);
    answer.release();
  });
});
