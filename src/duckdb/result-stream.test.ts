import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeArrow } from "./arrow.js";
import { Database } from "./database.js";
import type { ResultChunk } from "./result-stream.js";

let database: Database;

beforeAll(async () => {
  database = await Database.open({ preserveInsertionOrder: true });
});

afterAll(() => {
  database.close();
});

async function collect(sql: string): Promise<{ texts: (string | null)[]; bytes: string }> {
  return await database.with(async (connection) => {
    const stream = await connection.stream(sql);
    const texts: (string | null)[] = [];
    const parts: Uint8Array[] = [];
    for await (const chunk of stream.chunks()) {
      texts.push(...chunk.texts(0));
      parts.push(chunk.textBytes(0));
    }
    return { texts, bytes: Buffer.concat(parts).toString("utf8") };
  });
}

async function arrowTable(sql: string) {
  return await database.with(async (connection) => {
    const parts: Uint8Array[] = [];
    for await (const part of encodeArrow(await connection.stream(sql), "stream", new Map([["who", "me"]]))) {
      parts.push(part);
    }
    return tableFromIPC(Buffer.concat(parts));
  });
}

describe("streamed text", () => {
  it("yields the bytes of short, long, empty, null and non-ASCII values in order", async () => {
    const sql = `SELECT CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'exactly12byt' WHEN 3 THEN 'thirteen byte'
        WHEN 4 THEN repeat('é😀', i % 50) WHEN 5 THEN 'x' || i ELSE 'a longer text number ' || i END FROM range(20000) t(i)`;
    const { texts, bytes } = await collect(sql);
    expect(texts).toHaveLength(20_000);
    expect(bytes).toBe(texts.join(""));
  });

  it("reads values that a table or a dictionary shares between rows", async () => {
    await database.with(async (connection) => {
      await connection.run(
        "CREATE OR REPLACE TABLE shared AS SELECT 'shared value number ' || (i % 3) AS v FROM range(9000) t(i)",
      );
    });
    const { texts, bytes } = await collect("SELECT v FROM shared");
    expect(new Set(texts)).toEqual(
      new Set(["shared value number 0", "shared value number 1", "shared value number 2"]),
    );
    expect(bytes).toBe(texts.join(""));
    const filtered = await collect("SELECT v FROM shared WHERE v LIKE '%1'");
    expect(filtered.bytes).toBe("shared value number 1".repeat(3000));
  });

  it("does not run ahead of its reader", async () => {
    await database.with(async (connection) => {
      const stream = await connection.stream("SELECT repeat('x', 1000) || i FROM range(10000000000) t(i)");
      const chunks: ResultChunk[] = [];
      for await (const chunk of stream.chunks()) {
        chunks.push(chunk);
        if (chunks.length === 3) break;
      }
      expect(chunks).toHaveLength(3);
    });
  });

  it.each([
    ["the last row", "CASE WHEN i = 299999 THEN error('boom') ELSE i::VARCHAR END"],
    ["a cast", "CAST(CASE WHEN i = 250000 THEN 'x' ELSE '1' END AS INTEGER)::VARCHAR"],
    ["the first row", "CASE WHEN i = 0 THEN error('boom') ELSE i::VARCHAR END"],
  ])("fails instead of ending early when %s fails", async (_, expression) => {
    await expect(collect(`SELECT ${expression} FROM range(300000) t(i)`)).rejects.toMatchObject({
      kind: "internal",
    });
    await expect(arrowTable(`SELECT ${expression} AS v FROM range(300000) t(i)`)).rejects.toMatchObject({
      kind: "internal",
    });
  });

  it("ends well for empty results and for statements whose result is not streamed", async () => {
    expect((await collect("SELECT 'x' WHERE false")).texts).toEqual([]);
    expect((await collect("DESCRIBE SELECT 1 AS a")).texts).toEqual(["a"]);
  });

  it("stops with duckdb/interrupted when the signal aborts", async () => {
    const controller = new AbortController();
    const work = database.with(async (connection) => {
      const stream = await connection.stream("SELECT i::VARCHAR FROM range(10000000000) t(i)", [], {
        signal: controller.signal,
      });
      for await (const chunk of stream.chunks()) {
        if (chunk.rowCount > 0) controller.abort();
      }
    });
    await expect(work).rejects.toMatchObject({ code: "duckdb/interrupted" });
  });

  it("refuses to start when the signal has aborted already", async () => {
    const signal = AbortSignal.abort();
    await expect(
      database.with((connection) => connection.stream("SELECT 1", [], { signal })),
    ).rejects.toMatchObject({
      code: "duckdb/interrupted",
    });
  });
});

describe("Arrow export", () => {
  const samples: readonly [string, string][] = [
    ["BOOLEAN", "(i % 2 = 0)"],
    ["TINYINT", "(i % 100)::TINYINT"],
    ["SMALLINT", "(i - 5000)::SMALLINT"],
    ["INTEGER", "(i * 1000 - 7)::INTEGER"],
    ["BIGINT", "(9007199254740993 + i)::BIGINT"],
    ["UINTEGER", "i::UINTEGER"],
    ["UBIGINT", "(18446744073709541615 + i)::UBIGINT"],
    ["DOUBLE", "(i / 7.0)::DOUBLE"],
    ["FLOAT", "(i / 4.0)::FLOAT"],
    ["VARCHAR", "'value with some length ' || i"],
    ["DATE", "DATE '1850-02-28' + i::INTEGER"],
    ["TIMESTAMP", "TIMESTAMP '1969-12-31 23:59:58.000001' + to_seconds(i)"],
    ["TIMESTAMPTZ", "TIMESTAMPTZ '2020-01-01 00:00:00.123456+00' + to_hours(i)"],
    ["DECIMAL(4,2)", "((i % 99) - 50)::DECIMAL(4,2)"],
    ["DECIMAL(9,3)", "(i - 5000)::DECIMAL(9,3)"],
    ["DECIMAL(18,4)", "(i * 1000003 - 1)::DECIMAL(18,4)"],
    ["DECIMAL(38,10)", "(i * 100000000000 - 12345)::DECIMAL(38,10)"],
  ];
  const text = (type: string, expression: string) => {
    if (type === "BOOLEAN" || type === "VARCHAR") return `(${expression})::VARCHAR`;
    if (type === "DATE") return `epoch_ms((${expression})::TIMESTAMP)::VARCHAR`;
    if (type.startsWith("TIMESTAMP")) return `epoch_us(${expression})::VARCHAR`;
    if (type.startsWith("DECIMAL")) return `replace((${expression})::VARCHAR, '.', '')::HUGEINT::VARCHAR`;
    return `(${expression})::VARCHAR`;
  };
  const raw = (value: unknown, type: string): string | null => {
    if (value === null) return null;
    if (type.startsWith("DECIMAL")) {
      const words = value as Uint32Array;
      return BigInt.asIntN(
        128,
        words.reduce((sum, word, k) => sum | (BigInt(word) << BigInt(32 * k)), 0n),
      ).toString();
    }
    if (type === "DOUBLE" || type === "FLOAT")
      return Number.isInteger(value) ? `${String(value)}.0` : String(value);
    return String(value);
  };
  const value = (
    column: { get(index: number): unknown; data: readonly { values: unknown }[] },
    index: number,
    type: string,
  ) => {
    if (!type.startsWith("TIMESTAMP")) return raw(column.get(index), type);
    if (column.get(index) === null) return null;
    return String((column.data[0]!.values as BigInt64Array)[index]);
  };

  it.each(samples)("keeps every %s exactly, nulls included", async (type, expression) => {
    const nulled = `CASE WHEN i % 5 = 3 THEN NULL ELSE ${expression} END`;
    const sql = `SELECT CAST(${nulled} AS ${type}) AS v FROM range(5000) t(i)`;
    const expected = await collect(
      `SELECT CASE WHEN i % 5 = 3 THEN NULL ELSE ${text(type, expression)} END FROM range(5000) t(i)`,
    );
    const column = (await arrowTable(sql)).getChild("v")!;
    expect(column.length).toBe(5000);
    expect(column.nullCount).toBe(1000);
    expect(Array.from({ length: 5000 }, (_, index) => value(column, index, type))).toEqual(expected.texts);
  });

  it.each(samples)(
    "keeps lists of %s exactly, null lists, empty lists and null items included",
    async (type, expression) => {
      const list = `CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN [] WHEN 2 THEN [${expression}, NULL, ${expression}] ELSE [${expression}] END`;
      const item = text(type, expression);
      const expected = await collect(
        `SELECT CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '[]' WHEN 2 THEN concat('[', ${item}, ',null,', ${item}, ']') ELSE concat('[', ${item}, ']') END FROM range(3000) t(i)`,
      );
      const table = await arrowTable(`SELECT CAST(${list} AS ${type}[]) AS v FROM range(3000) t(i)`);
      const column = table.getChild("v")!;
      const actual = Array.from({ length: 3000 }, (_, index) => {
        const items = column.get(index) as {
          length: number;
          get(k: number): unknown;
          data: readonly { values: unknown; offset: number }[];
        } | null;
        if (items === null) return null;
        const texts = Array.from({ length: items.length }, (_, k) => {
          if (!type.startsWith("TIMESTAMP")) return raw(items.get(k), type);
          return items.get(k) === null ? null : String((items.data[0]!.values as BigInt64Array)[k]);
        });
        return `[${texts.map((entry) => entry ?? "null").join(",")}]`;
      });
      expect(actual).toEqual(expected.texts);
    },
  );

  it("splits long results into batches and keeps every row, with the schema's metadata", async () => {
    const table = await arrowTable("SELECT i::BIGINT AS n, 'row ' || i AS t FROM range(100000) t(i)");
    expect(table.batches.length).toBeGreaterThan(2);
    expect(table.numRows).toBe(100_000);
    expect(table.getChild("n")!.get(99_999)).toBe(99_999n);
    expect(table.getChild("t")!.get(77_777)).toBe("row 77777");
    expect(table.schema.metadata.get("who")).toBe("me");
  });

  it("has the schema even when there are no rows", async () => {
    const table = await arrowTable("SELECT 1::INTEGER AS a, ['x'] AS b WHERE false");
    expect(table.numRows).toBe(0);
    expect(table.schema.fields.map((field) => `${field.name}:${String(field.type)}`)).toEqual([
      "a:Int32",
      "b:List<Utf8>",
    ]);
  });

  it("refuses a type it cannot carry exactly", async () => {
    await expect(arrowTable("SELECT INTERVAL 1 DAY AS gap")).rejects.toMatchObject({
      code: "duckdb/no-arrow-type",
    });
  });
});
