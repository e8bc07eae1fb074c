import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../support/parquet-lake.js";
import { seeded } from "../support/random.js";
import { RandomSql } from "../support/random-sql.js";
import type { SqlFailure } from "../support/sql-side.js";
import { type SqlSide, sqlOver } from "../support/sql-side.js";

/** The full run has 100,000; see docs/sql.md for how to start it. */
const STATEMENTS = Number(process.env["FHIR_LAKE_SQL_FUZZ"] ?? 100);
const SEED = Number(process.env["FHIR_LAKE_SQL_FUZZ_SEED"] ?? 20261121);

const CANARY = "canary-of-the-fuzz";
let lake: ParquetLake;
let sql: SqlSide;
let secret: string;

beforeAll(async () => {
  lake = await createParquetLake();
  secret = path.join(lake.folder, "secret.csv");
  await writeFile(secret, `a,b\n${CANARY},2\n`);
  sql = await sqlOver(lake.catalog, { deadlineMs: 2_000, memoryLimitBytes: 200e6, diskBytes: 100e6 });
  await lake.commit([everyType, manyRows("many", 50)]);
});

afterAll(async () => {
  await sql.close();
  expect(lake.held()).toBe(0);
  await lake.close();
});

async function digests(): Promise<string[]> {
  const names = (await readdir(lake.folder, { recursive: true })).sort();
  return await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(path.join(lake.folder, name));
      return `${name} ${createHash("sha256").update(bytes).digest("hex")}`;
    }),
  );
}

const outcomes = new Map<string, number>();

/** What is wrong with the outcome of a statement; undefined when nothing is. */
async function escapeOf(statement: string): Promise<string | undefined> {
  let seen: string;
  let code = "ran";
  try {
    seen = JSON.stringify(await sql.texts({ sql: statement, limit: 200 }));
  } catch (error) {
    ({ code } = error as SqlFailure);
    seen = `${(error as SqlFailure).message} ${JSON.stringify((error as { details?: unknown }).details)}`;
  }
  outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
  if (!/^(?:ran|query\/.*)$/.test(code)) return `${code}: ${statement}`;
  // A statement may be told its own words again, which may be the path that it asks for.
  const own = statement.includes(lake.folder) ? seen.replaceAll(lake.folder, "") : seen;
  if (own.includes(CANARY) || own.includes(lake.folder)) return `shows ${own.slice(0, 200)}: ${statement}`;
  return undefined;
}

it("no statement of a grammar of hostile ones sees or changes anything but the views", async () => {
  const before = await digests();
  const random = new RandomSql(seeded(SEED), [secret, lake.folder, path.join(lake.folder, "1-many.parquet")]);
  for (let n = 0; n < STATEMENTS; n++) {
    const statement = random.statement();
    expect(await escapeOf(statement), `statement ${n} of seed ${SEED}`).toBeUndefined();
  }
  expect(await digests()).toEqual(before);
  // A grammar whose statements are all refused by the parser would prove nothing.
  if (process.env["FHIR_LAKE_SQL_FUZZ"] !== undefined) console.log(Object.fromEntries(outcomes));
  expect((outcomes.get("ran") ?? 0) / STATEMENTS).toBeGreaterThan(0.1);
  expect((outcomes.get("query/sql-refused") ?? 0) / STATEMENTS).toBeGreaterThan(0.1);
}, 3_600_000);
