import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Database, quoteLiteral } from "#duckdb";
import { sortedRanges } from "./sorted-ranges.js";

let folder: string;
let database: Database;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-ranges-"));
  database = await Database.open({});
});

afterAll(async () => {
  database.close();
  await rm(folder, { recursive: true, force: true });
});

interface Row {
  readonly p: string | null;
  readonly id: string;
  readonly deep: string;
}

const rows = (without: string, count: number): string =>
  `SELECT CASE WHEN ${without} THEN NULL ELSE 'p' || hash(i) % 97 END AS _lake_patient, 'r' || hash(i) AS _lake_id,
     {'list': [{'n': i}], 'none': NULL::VARCHAR} AS deep, ('{"a":' || i || '}')::JSON AS raw FROM range(${count}) t(i)`;

it.each([
  ["few ranges, read from the rows themselves", rows("i % 5 = 0", 2000), 500],
  ["many ranges, written apart", rows("i % 5 = 0", 2000), 50],
  ["many ranges of patients only", rows("false", 2000), 50],
  ["many ranges without a patient", rows("true", 2000), 50],
  ["more ranges than there are values", rows("i % 2 = 0", 300), 1],
  ["no rows", rows("true", 0), 10],
])("gives every row once and sorted: %s", async (_what, select, rowsPerRange) => {
  const place = path.join(folder, "passing");
  await database.with(async (connection) => {
    const read = (sql: string): Promise<Row[]> =>
      connection.rows<Row & Record<string, string | null>>(
        `SELECT _lake_patient AS p, _lake_id AS id, deep::VARCHAR || typeof(raw) AS deep FROM (${sql})`,
      );
    const found: Row[] = [];
    const sizes: number[] = [];
    for await (const range of sortedRanges(connection, select, { rowsPerRange, folder: place })) {
      const some = await read(range);
      sizes.push(some.length);
      found.push(...some);
    }
    const wanted = await read(`${select} ORDER BY _lake_patient, _lake_id`);
    expect(found).toEqual(wanted);
    // A patient of many rows stays whole.
    expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(Math.max(rowsPerRange + 60, 1.5 * rowsPerRange));
  });
  expect(existsSync(place)).toBe(false);
});

it("gives every row of many columns, whose buffers memory does not suffice for, too", async () => {
  const small = await Database.open({ memoryLimitBytes: 100 * 2 ** 20 });
  const wide = Array.from({ length: 400 }, (_, n) => `[{'n': i + ${n}, 't': ['${n}']}] AS c${n}`).join(", ");
  const file = path.join(folder, "wide.parquet");
  await database.with((connection) =>
    connection.run(
      `COPY (SELECT *, ${wide} FROM (SELECT *, row_number() OVER () AS i FROM (${rows("false", 3000)}))) TO ${quoteLiteral(file)} (ROW_GROUP_SIZE 2048)`,
    ),
  );
  const place = path.join(folder, "passing");
  let count = 0;
  await small.with(async (connection) => {
    const select = `SELECT * FROM read_parquet(${quoteLiteral(file)})`;
    for await (const range of sortedRanges(connection, select, { rowsPerRange: 100, folder: place })) {
      if (count === 0) expect(existsSync(place)).toBe(false);
      const [found] = await connection.rows<{ n: string }>(`SELECT count(*) AS n FROM (${range})`);
      count += Number(found!.n);
    }
  });
  small.close();
  expect(count).toBe(3000);
});

it("leaves nothing behind when it is not read to its end", async () => {
  const place = path.join(folder, "passing");
  await database.with(async (connection) => {
    const options = { rowsPerRange: 50, folder: place };
    for await (const _range of sortedRanges(connection, rows("false", 2000), options)) {
      expect(existsSync(place)).toBe(true);
      break;
    }
  });
  expect(existsSync(place)).toBe(false);
});
