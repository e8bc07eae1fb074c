import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "#kernel";
import { createApp, type ServingApp, silentLogger } from "#serving";
import { createParquetLake, manyRows, type ParquetLake } from "../support/parquet-lake.js";
import { type SqlSide, sqlOver } from "../support/sql-side.js";

/** All of them in the full run, else every fifth. */
const ALL = process.env["FHIR_LAKE_SQL_EXHAUSTION"] === "all";
const MIB = 2 ** 20;
const MEMORY = 64 * MIB;

let lake: ParquetLake;
let sql: SqlSide;
let app: ServingApp;

beforeAll(async () => {
  lake = await createParquetLake();
  await lake.commit([manyRows("many", 30_000)]);
  sql = await sqlOver(lake.catalog, {
    deadlineMs: 1_000,
    memoryLimitBytes: MEMORY,
    diskBytes: 100 * MIB,
    warm: true,
  });
  app = createApp({ catalog: lake.catalog, query: sql.query, clock: systemClock, log: silentLogger });
});

afterAll(async () => {
  await sql.close();
  expect(lake.held()).toBe(0);
  await lake.close();
});

const bombs = [
  "SELECT len(range(60000000)) AS n",
  "SELECT sum(a.n * b.n + c.n) FROM many a, many b, many c",
  "SELECT length(repeat('x', 500000000)) AS n FROM range(20)",
  "SELECT repeat('x', 10000000000) AS x",
  "SELECT len(list_transform(range(20000000), lambda x: x || 'text')) AS n",
  "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
  "WITH RECURSIVE r(t) AS (SELECT 'x' UNION ALL SELECT t || t FROM r) SELECT max(length(t)) FROM r",
  "SELECT a.display || b.display AS d FROM many a, many b ORDER BY d DESC",
  "SELECT count(*) FROM range(100000000000) t(i) WHERE hash(i) % 7 = 8",
  "SELECT lpad('x', 2000000000, 'y') AS x",
  "SELECT printf('%2000000000d', 1) AS x",
  "SELECT list(a.display) FROM many a, many b, range(50)",
  "SELECT string_agg(a.display || b.display, ',') FROM many a, many b",
  "SELECT count(DISTINCT a.display || b.patient_key || c.i) FROM many a, many b, range(10) c(i)",
  "SELECT histogram(a.n * 30000 + b.n) FROM many a, many b",
  "SELECT regexp_replace(repeat('ab', 20000000), '(a|b)*?(a|b)*?c', 'x', 'g') AS x FROM range(10)",
  "SELECT levenshtein(repeat('ab', 100000), repeat('ba', 100000)) AS n",
  "SELECT len(flatten(list_transform(range(5000), lambda x: range(5000)))) AS n",
  "SELECT generate_series(1, 4000000000) AS s",
  "SELECT max(r) FROM (SELECT row_number() OVER (PARTITION BY b.n ORDER BY a.display || b.display) AS r FROM many a, many b)",
];
const chosen = ALL ? bombs : bombs.filter((_, index) => index % 5 === 0);

async function filesBelow(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** How a statement ends that may not have what it wants: by its own error, or by a bound. */
const ends = /^query\/sql-(?:too-big|too-long|crashed|failed|invalid)$/;

describe("a statement that wants everything", () => {
  it.each(chosen)(
    "ends, beside readers who notice nothing: %s",
    async (bomb) => {
      let going = true;
      const reader = async (): Promise<number> => {
        let answers = 0;
        while (going) {
          const response = await app.request("http://localhost/views/many?limit=50&order=n.desc");
          expect(response.status).toBe(200);
          expect(((await response.json()) as unknown[]).length).toBe(50);
          answers++;
        }
        return answers;
      };
      const readers = [reader(), reader()];
      let code: string;
      try {
        ({ code } = await sql.failure(bomb));
      } finally {
        going = false;
      }
      const answers = await Promise.all(readers);
      expect(code).toMatch(ends);
      expect(Math.min(...answers)).toBeGreaterThan(0);
      // What it wrote is gone with it, and the next statement runs.
      await expect.poll(() => filesBelow(sql.temporaryFolder)).toEqual([]);
      expect(await sql.texts({ sql: "SELECT count(*) FROM many", deadlineMs: 60_000 })).toEqual([["30000"]]);
    },
    120_000,
  );

  it.runIf(existsSync("/proc/self/status"))(
    "is ended for its memory before it has much more than it may",
    async () => {
      const { code } = await sql.failure("SELECT len(range(400000000)) AS n");
      expect(code).toMatch(/^query\/sql-(?:too-big|too-long)$/);
    },
    120_000,
  );

  it("waits for its turn while too many run, and is told when that takes too long", async () => {
    const few = await sqlOver(lake.catalog, { most: 1, waitMs: 300, deadlineMs: 1_500 });
    const first = few.failure(bombs[1]!);
    const second = await few.failure("SELECT 1");
    expect(second).toMatchObject({ code: "query/sql-busy", kind: "unavailable" });
    expect((await first).code).toBe("query/sql-too-long");
    expect(await few.texts("SELECT 1 AS a")).toEqual([["1"]]);
    await few.close();
  }, 120_000);
});
