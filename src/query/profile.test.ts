import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { createParquetLake, type ParquetLake } from "../../test/support/parquet-lake.js";
import type { ColumnProfile } from "./profile.js";
import { createQuery, type QueryService } from "./query-service.js";

let lake: ParquetLake;
let database: Database;
let query: QueryService;

beforeAll(async () => {
  lake = await createParquetLake();
  database = await Database.open({ preserveInsertionOrder: true, threads: 2 });
  query = createQuery({ catalog: lake.catalog, database, temporaryFolder: path.join(lake.folder, "tmp") });
  // 40 persons with 3 rows each; person 0 alone has the extremes and 20 rows more of a value of their own.
  await lake.commit([
    {
      name: "visits",
      columns: [
        { name: "patient_key", sqlType: "VARCHAR" },
        { name: "code", sqlType: "VARCHAR" },
        { name: "age", sqlType: "INTEGER" },
        { name: "sex", sqlType: "VARCHAR" },
      ],
      select: `SELECT 'k' || i AS _lake_key, 'P' || p AS patient_key, code, age, sex FROM (
        SELECT i, (i % 40) AS p, CASE WHEN i % 40 < 25 THEN 'common' WHEN i % 40 < 35 THEN 'rare' END AS code,
          CASE WHEN i % 40 = 0 THEN 111 ELSE 20 + i % 40 END AS age, CASE WHEN i % 40 < 5 THEN 'm' ELSE 'f' END AS sex
        FROM range(120) t(i) UNION ALL SELECT 1000 + i, 0, 'own', 111, 'm' FROM range(20) t(i))`,
    },
  ]);
});

afterAll(async () => {
  expect(lake.held()).toBe(0);
  database.close();
  await lake.close();
});

async function profile(showsValues: (name: string) => boolean, minimumGroup = 11): Promise<ColumnProfile[]> {
  const snapshot = await query.snapshot();
  try {
    return [...(await query.profile(snapshot, "visits", { showsValues, minimumGroup })).columns];
  } finally {
    snapshot.release();
  }
}

describe("a profile", () => {
  it("shows values of enough persons, however many rows one person has", async () => {
    const [, code, age] = await profile(() => true);
    expect(code).toMatchObject({ nullPercent: 10.7, top: [{ value: "common", rows: 75 }] });
    expect([age!.low, age!.high]).toEqual(["31", "50"]);
  });

  it("hides another value where the total would give a small group away", async () => {
    const [, , , sex] = await profile(() => true, 5);
    expect(sex!.top).toEqual([
      { value: "f", rows: 105 },
      { value: "m", rows: 35 },
    ]);
    const [, code] = await profile(() => true, 10);
    expect(code!.top).toEqual([
      { value: "common", rows: 75 },
      { value: "rare", rows: 30 },
    ]);
  });

  it("keeps the values of a column to itself that is not to be shown", async () => {
    const columns = await profile((name) => name !== "patient_key");
    expect(columns[0]).toEqual({
      name: "patient_key",
      nullPercent: 0,
      distinct: expect.any(Number) as number,
      low: null,
      high: null,
      top: null,
    });
  });
});
