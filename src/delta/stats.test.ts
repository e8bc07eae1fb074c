import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { Database, quoteLiteral } from "#duckdb";
import { deltaTypeOfSql } from "./delta-type.js";
import { type FileStats, fileStats } from "./stats.js";

const database = await Database.open();
afterAll(() => database.close());

async function statsOf(select: string, columns: Record<string, string>): Promise<FileStats> {
  const file = path.join(await mkdtemp(path.join(tmpdir(), "fhir-lake-stats-")), "a.parquet");
  return database.with(async (connection) => {
    await connection.run(`COPY (${select}) TO ${quoteLiteral(file)} (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
    const fields = Object.entries(columns).map(([name, type]) => ({ name, type: deltaTypeOfSql(type) }));
    return fileStats(connection, file, 3, fields);
  });
}

it("give bounds and nulls of flat columns over all row groups, and say nothing of nested ones", async () => {
  const stats = await statsOf(
    `SELECT i, i::VARCHAR AS text, (i / 4)::DOUBLE AS half, DATE '2020-01-01' + i::INTEGER AS day, i % 2 = 0 AS even,
            CASE WHEN i > 3000 THEN 'x' END AS late, NULL::VARCHAR AS never, [i] AS list
     FROM range(5000) t(i)`,
    {
      i: "BIGINT",
      text: "VARCHAR",
      half: "DOUBLE",
      day: "DATE",
      even: "BOOLEAN",
      late: "VARCHAR",
      never: "VARCHAR",
      list: "BIGINT[]",
    },
  );
  expect(stats).toEqual({
    numRecords: 3,
    minValues: { i: 0, text: "0", half: 0, day: "2020-01-01", late: "x" },
    maxValues: { i: 4999, text: "999", half: 1249.75, day: "2033-09-08", late: "x" },
    nullCount: { i: 0, text: 0, half: 0, day: 0, even: 0, late: 3001, never: 5000 },
  });
});

it("round the end of instants up to the millisecond, and the beginning down", async () => {
  const { minValues, maxValues } = await statsOf(
    `SELECT * FROM (VALUES (TIMESTAMPTZ '2026-01-01 00:00:00.123456+02'), (TIMESTAMPTZ '2026-01-02 23:59:59.999999+00')) t("at")`,
    { at: "TIMESTAMP WITH TIME ZONE" },
  );
  expect([minValues, maxValues]).toEqual([
    { at: "2025-12-31T22:00:00.123Z" },
    { at: "2026-01-03T00:00:00.000Z" },
  ]);
});

it("cut long texts in the minimum, leave out a maximum that would be too small, and numbers that JSON would round", async () => {
  const { minValues, maxValues } = await statsOf(
    `SELECT repeat('é', 120) AS long, 9007199254740993::BIGINT AS big, 1234567890123456.5::DECIMAL(18,1) AS dec, 12.50::DECIMAL(10,2) AS small`,
    { long: "VARCHAR", big: "BIGINT", dec: "DECIMAL(18,1)", small: "DECIMAL(10,2)" },
  );
  expect(minValues).toEqual({ long: "é".repeat(96), small: 12.5 });
  expect(maxValues).toEqual({ small: 12.5 });
});
