import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../support/parquet-lake.js";
import { type SqlSide, sqlOver } from "../support/sql-side.js";

let lake: ParquetLake;
let sql: SqlSide;

beforeAll(async () => {
  lake = await createParquetLake();
  sql = await sqlOver(lake.catalog);
  await lake.commit([everyType, manyRows("many", 3000), { ...manyRows("later", 1), state: "building" }]);
});

afterAll(async () => {
  await sql.close();
  expect(lake.held()).toBe(0);
  await lake.close();
});

describe("SQL over views", () => {
  it.each([
    ["SELECT count(*) FROM many", [["3000"]]],
    ["from every_type select patient_key order by age nulls first limit 1;", [["Patient/3"]]],
    [
      "SELECT gender, count(*) AS n FROM EVERY_TYPE GROUP BY ALL ORDER BY n DESC, 1 -- a comment",
      [
        ["female", "2"],
        ["male", "1"],
        [null, "1"],
      ],
    ],
    ["WITH q AS (SELECT age FROM every_type WHERE age > 0) SELECT sum(age) FROM q", [["2147483689"]]],
    [
      "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT max(n) FROM r",
      [["5"]],
    ],
    [
      "SELECT a.n, row_number() OVER (ORDER BY a.n DESC) FROM many a JOIN many b USING (n) WHERE a.n IN (SELECT 2 UNION SELECT 3) ORDER BY 1",
      [
        ["2", "2"],
        ["3", "1"],
      ],
    ],
    [
      "SELECT list_transform(given, x -> upper(x)) FROM every_type WHERE age = 42",
      [['["ANN",null,"O\\"NEIL",""]']],
    ],
    ["SELECT unnest(given) AS g, 1 AS g FROM every_type WHERE age = 2147483647", [["only", "1"]]],
    ["SELECT i FROM range(3) t(i), LATERAL (SELECT 1)", [["0"], ["1"], ["2"]]],
    [
      "VALUES (1, 'a'), (2, NULL)",
      [
        ["1", "a"],
        ["2", null],
      ],
    ],
    [
      "SELECT seen_at, local_at, birth_date FROM every_type WHERE age = -1",
      [["1969-12-31T23:59:59Z", "1900-01-01T00:00:00.5", "0999-12-31"]],
    ],
    [
      "SELECT CASE WHEN age BETWEEN 1 AND 50 THEN 'x' END, age::VARCHAR, age IS NULL, note ILIKE '%HI%', coalesce(age, 1), date_trunc('year', birth_date), extract(year FROM birth_date), COLUMNS('^age$') FROM every_type WHERE age = 42",
      [["x", "42", "false", "true", "42", "1980-01-01T00:00:00", "1980", "42"]],
    ],
    [
      "SELECT count(*) FILTER (WHERE flag), sum(n) OVER () IS NULL FROM many WHERE n < 4 GROUP BY n ORDER BY n LIMIT 1",
      [["1", "false"]],
    ],
  ])("runs %s", async (statement, expected) => {
    expect(await sql.texts(statement)).toEqual(expected);
  });

  it("describes and summarizes views", async () => {
    expect((await sql.texts("DESCRIBE many")).map((row) => row.slice(0, 2))).toContainEqual([
      "birth_date",
      "DATE",
    ]);
    expect((await sql.texts("SUMMARIZE SELECT n FROM many"))[0]!.slice(0, 4)).toEqual([
      "n",
      "INTEGER",
      "0",
      "2999",
    ]);
  });

  it("names the columns and their types, and the snapshot", async () => {
    const answer = await sql.query.runSql(await sql.query.snapshot(), {
      sql: "SELECT age, sum(age) AS s, given FROM every_type GROUP BY ALL",
    });
    expect(answer.columns).toEqual([
      { name: "age", sqlType: "INTEGER" },
      { name: "s", sqlType: "HUGEINT" },
      { name: "given", sqlType: "VARCHAR[]" },
    ]);
    expect(answer.state).toMatchObject({ id: 1, committedAt: "2026-01-01T12:00:00.000Z" });
    answer.close();
    answer.close();
  });

  it("keeps the order asked for, and encodes numbers that JSON cannot hold as text", async () => {
    const rows = JSON.parse((await sql.encoded("SELECT n FROM many ORDER BY n DESC", "json")).toString()) as {
      n: number;
    }[];
    expect(rows.map((row) => row.n)).toEqual(Array.from({ length: 3000 }, (_, index) => 2999 - index));
    const line = (
      await sql.encoded(
        "SELECT 'nan'::DOUBLE AS a, '-inf'::DOUBLE AS b, 9007199254740993::HUGEINT AS c, {'k': [1]} AS d, INTERVAL 1 DAY AS e, TIME '10:00' AS f",
        "ndjson",
      )
    ).toString();
    expect(JSON.parse(line)).toEqual({
      a: "nan",
      b: "-inf",
      c: "9007199254740993",
      d: { k: [1] },
      e: "1 day",
      f: "10:00:00",
    });
    const table = tableFromIPC(
      await sql.encoded(
        "SELECT sum(n) AS s, {'k': 1} AS d, gen FROM many, (VALUES ('x')) t(gen) GROUP BY ALL",
        "arrow",
      ),
    );
    expect(table.schema.fields.map((field) => field.name)).toEqual(["s", "d", "gen"]);
    expect(table.getChild("d")!.get(0)).toBe('{"k":1}');
    expect((await sql.encoded("SELECT n, display FROM many ORDER BY n LIMIT 1", "csv")).toString()).toBe(
      'n,display\n0,"some ""display"", text 0"\n',
    );
  });

  it("tells authors of SQL what is wrong with names and syntax, but never quotes data", async () => {
    expect(await sql.failure("SELEC 1")).toMatchObject({
      kind: "invalid-input",
      code: "query/sql-invalid",
      message: expect.stringContaining("SELEC") as string,
    });
    expect(await sql.failure("SELECT agee FROM every_type")).toMatchObject({
      code: "query/sql-invalid",
      message: expect.stringContaining("age") as string,
    });
    expect(await sql.failure("SELECT * FROM every_typ")).toMatchObject({
      kind: "not-found",
      code: "query/unknown-view",
      message: expect.stringContaining("'every_type'") as string,
    });
    expect(await sql.failure("SELECT uppr('a')")).toMatchObject({
      code: "query/sql-refused",
      message: expect.stringContaining("'upper'") as string,
    });
    const cast = await sql.failure("SELECT CAST(note AS INTEGER) FROM every_type");
    expect(cast).toMatchObject({ kind: "invalid-input", code: "query/sql-failed" });
    expect(cast.message).not.toContain("says");
  });

  it("survives deep nesting", async () => {
    expect(await sql.texts(`SELECT ${"(".repeat(3000)}1${")".repeat(3000)}`)).toEqual([["1"]]);
    expect(await sql.failure(`SELECT ${"abs(".repeat(3000)}1${")".repeat(3000)}`)).toMatchObject({
      kind: "invalid-input",
    });
    expect(await sql.failure(`SELECT ${"(SELECT ".repeat(2000)}1${")".repeat(2000)}`)).toMatchObject({
      kind: "invalid-input",
    });
  });

  it("asks for patience when a view is being built", async () => {
    expect(await sql.failure("SELECT * FROM later")).toMatchObject({
      kind: "unavailable",
      code: "query/view-building",
    });
  });
});
