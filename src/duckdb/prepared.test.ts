import { afterAll, beforeAll, expect, it } from "vitest";
import { type Connection, Database } from "./database.js";

let database: Database;
let connection: Connection;
beforeAll(async () => {
  database = await Database.open();
  connection = await database.connect();
});
afterAll(() => {
  connection.close();
  database.close();
});

const selects = [
  "SELECT count(*) FROM t WHERE n > 100",
  "SELECT count(*) FROM t WHERE d IS NOT NULL",
  "SELECT count(*) FROM t WHERE d IS NULL",
  "SELECT count(*) FROM t WHERE s.a = 5",
  "SELECT count(*) FROM (SELECT unnest(s.l) FROM t)",
  "SELECT max(CASE WHEN d = 'zz' THEN 1 ELSE 0 END) FROM t",
  "SELECT max(CASE WHEN d IS NULL THEN 1 ELSE 0 END) FROM t",
  "SELECT count(*) FROM t",
  "SELECT sum(n * 1000000000) FROM t",
];
const contents = [
  "SELECT 1, {a: 1, l: ['x']}, 'aa' WHERE false",
  "SELECT 1, {a: 1, l: ['x']}, 'aa'",
  "SELECT 1, NULL, NULL",
  "SELECT range, {a: range % 7, l: ['x', 'y']}, CASE WHEN range % 2 = 0 THEN 'zz' END FROM range(80, 5000)",
  "SELECT 4611686018, {a: 5, l: []}, 'zz'",
];

it("answers a planned statement by what the table holds when it is run, whatever it held when it was planned", async () => {
  await connection.run("CREATE TABLE answer (k INTEGER, v VARCHAR)");
  for (const before of contents) {
    await connection.run("CREATE OR REPLACE TABLE t (n BIGINT, s STRUCT(a INTEGER, l VARCHAR[]), d VARCHAR)");
    await connection.run(`INSERT INTO t ${before}`);
    const planned = [];
    for (const [k, select] of selects.entries()) {
      planned.push(await connection.prepare(`INSERT INTO answer SELECT ${k}, (${select})::VARCHAR`, "t"));
    }
    for (const now of contents) {
      await connection.run("TRUNCATE t");
      await connection.run(`INSERT INTO t ${now}`);
      await connection.run("TRUNCATE answer");
      for (const statement of planned) await statement.run();
      const found = await connection.rows<{ v: string | null }>("SELECT v FROM answer ORDER BY k");
      const truth = [];
      for (const select of selects)
        truth.push(...(await connection.rows<{ v: string | null }>(`SELECT (${select})::VARCHAR AS v`)));
      expect(found, `${before} then ${now}`).toEqual(truth);
    }
    for (const statement of planned) statement.close();
  }
});

it("keeps a plan while tables of the passing database come and go", async () => {
  await connection.run("CREATE OR REPLACE TABLE kept (a INTEGER)");
  await connection.run("SET VARIABLE planned = 1");
  // The variable's value is part of the plan.
  const statement = await connection.prepare("INSERT INTO kept SELECT getvariable('planned')", "kept");
  await connection.run("SET VARIABLE planned = 2");
  const passing = await database.passing();
  await connection.run(`CREATE TABLE ${passing}.page AS SELECT 1 AS a`);
  await connection.run(`DROP TABLE ${passing}.page`);
  await statement.run();
  expect(await connection.rows("SELECT a FROM kept")).toEqual([{ a: 1 }]);
  await connection.run("CREATE TABLE beside AS SELECT 1 AS a");
  await statement.run();
  expect(await connection.rows("SELECT a FROM kept")).toEqual([{ a: 1 }, { a: 2 }]);
  statement.close();
});

it("says what is wrong with a statement that cannot be planned, and stays usable", async () => {
  await connection.run("CREATE TABLE numbers (a INTEGER)");
  await expect(connection.prepare("SELECT nothing FROM numbers", "numbers")).rejects.toMatchObject({
    code: "duckdb/query-failed",
  });
  expect(await connection.rows("SELECT count(*) AS n FROM numbers")).toEqual([{ n: "0" }]);
});
