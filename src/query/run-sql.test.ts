import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../../test/support/parquet-lake.js";
import { bytesOf } from "../../test/support/result-bytes.js";
import { runSql, type SqlFormat } from "./run-sql.js";
import { allowedFunctions } from "./sql/function-list.js";

let lake: ParquetLake;
let secret: string;

beforeAll(async () => {
  lake = await createParquetLake();
  secret = path.join(lake.folder, "secret.csv");
  await writeFile(secret, "a,b\ncanary,2\n");
  await lake.commit([everyType, manyRows("many", 3000), { ...manyRows("later", 1), state: "building" }]);
});

afterAll(async () => {
  expect(lake.held()).toBe(0);
  await lake.close();
});

async function texts(sql: string): Promise<(string | null)[][]> {
  const answer = await runSql(lake.catalog, sql, { threads: 1 });
  try {
    return await answer.texts();
  } finally {
    answer.close();
  }
}

async function encoded(sql: string, format: SqlFormat): Promise<Buffer> {
  const answer = await runSql(lake.catalog, sql, { threads: 1 });
  try {
    return await bytesOf(await answer.encode(format));
  } finally {
    answer.close();
  }
}

async function failure(sql: string): Promise<{ code: string; kind: string; message: string }> {
  try {
    await texts(sql);
  } catch (error) {
    return error as { code: string; kind: string; message: string };
  }
  throw new Error(`ran: ${sql}`);
}

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
  ])("runs %s", async (sql, expected) => {
    expect(await texts(sql)).toEqual(expected);
  });

  it("describes and summarizes views", async () => {
    expect((await texts("DESCRIBE many")).map((row) => row.slice(0, 2))).toContainEqual([
      "birth_date",
      "DATE",
    ]);
    expect((await texts("SUMMARIZE SELECT n FROM many"))[0]!.slice(0, 4)).toEqual([
      "n",
      "INTEGER",
      "0",
      "2999",
    ]);
  });

  it("names the columns and their types, and the snapshot", async () => {
    const answer = await runSql(
      lake.catalog,
      "SELECT age, sum(age) AS s, given FROM every_type GROUP BY ALL",
      {},
    );
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
    const rows = JSON.parse((await encoded("SELECT n FROM many ORDER BY n DESC", "json")).toString()) as {
      n: number;
    }[];
    expect(rows.map((row) => row.n)).toEqual(Array.from({ length: 3000 }, (_, index) => 2999 - index));
    const line = (
      await encoded(
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
      await encoded(
        "SELECT sum(n) AS s, {'k': 1} AS d, gen FROM many, (VALUES ('x')) t(gen) GROUP BY ALL",
        "arrow",
      ),
    );
    expect(table.schema.fields.map((field) => field.name)).toEqual(["s", "d", "gen"]);
    expect(table.getChild("d")!.get(0)).toBe('{"k":1}');
    expect((await encoded("SELECT n, display FROM many ORDER BY n LIMIT 1", "csv")).toString()).toBe(
      'n,display\n0,"some ""display"", text 0"\n',
    );
  });

  it("tells authors of SQL what is wrong with names and syntax, but never quotes data", async () => {
    expect(await failure("SELEC 1")).toMatchObject({
      kind: "invalid-input",
      code: "query/sql-invalid",
      message: expect.stringContaining("SELEC") as string,
    });
    expect(await failure("SELECT agee FROM every_type")).toMatchObject({
      code: "query/sql-invalid",
      message: expect.stringContaining("age") as string,
    });
    expect(await failure("SELECT * FROM every_typ")).toMatchObject({
      kind: "not-found",
      code: "query/unknown-view",
      message: expect.stringContaining("'every_type'") as string,
    });
    expect(await failure("SELECT uppr('a')")).toMatchObject({
      code: "query/sql-refused",
      message: expect.stringContaining("'upper'") as string,
    });
    const cast = await failure("SELECT CAST(note AS INTEGER) FROM every_type");
    expect(cast).toMatchObject({ kind: "invalid-input", code: "query/sql-failed" });
    expect(cast.message).not.toContain("says");
  });

  it("survives deep nesting", async () => {
    expect(await texts(`SELECT ${"(".repeat(3000)}1${")".repeat(3000)}`)).toEqual([["1"]]);
    expect(await failure(`SELECT ${"abs(".repeat(3000)}1${")".repeat(3000)}`)).toMatchObject({
      kind: "invalid-input",
    });
    expect(await failure(`SELECT ${"(SELECT ".repeat(2000)}1${")".repeat(2000)}`)).toMatchObject({
      kind: "invalid-input",
    });
  });

  it("asks for patience when a view is being built", async () => {
    expect(await failure("SELECT * FROM later")).toMatchObject({
      kind: "unavailable",
      code: "query/view-building",
    });
  });
});

describe("the SQL sandbox", () => {
  const probes = (file: string): string[] => [
    `SELECT * FROM '${file}'`,
    `SELECT * FROM "${file}"`,
    `SELECT * FROM read_csv('${file}')`,
    `SELECT * FROM read_csv_auto('${file}')`,
    `SELECT * FROM read_text('${file}')`,
    `SELECT * FROM read_blob('${file}')`,
    `SELECT * FROM read_parquet('${file}')`,
    `SELECT * FROM parquet_scan('${file}')`,
    `SELECT * FROM read_json('${file}')`,
    `SELECT * FROM read_ndjson_objects('${file}')`,
    `SELECT * FROM read_duckdb('${file}')`,
    `SELECT * FROM parquet_metadata('${file}')`,
    `SELECT * FROM sniff_csv('${file}')`,
    `SELECT * FROM glob('/**')`,
    `FROM query('SELECT * FROM ''${file}''')`,
    `FROM query_table('${file}')`,
    `FROM json_execute_serialized_sql('{}')`,
    `SELECT (SELECT a FROM read_csv('${file}') LIMIT 1)`,
    `SELECT * FROM many WHERE n IN (SELECT length(content) FROM read_text('${file}'))`,
    `SELECT * FROM many ORDER BY (SELECT 1 FROM glob('*'))`,
    `SELECT * FROM many LIMIT (SELECT count(*) FROM glob('*'))`,
    `SELECT * FROM many JOIN read_text('${file}') ON true`,
    `WITH "${file}" AS (SELECT * FROM "${file}") SELECT * FROM "${file}"`,
    "WITH duckdb_settings AS (SELECT * FROM duckdb_settings) SELECT * FROM duckdb_settings",
    "SELECT * FROM (WITH sqlite_master AS (SELECT 1) SELECT 1), sqlite_master",
    "WITH a AS (SELECT * FROM sqlite_master), sqlite_master AS (SELECT 1) SELECT * FROM a",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_functions()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_views",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM enable_logging(storage='file', storage_path='/tmp/x')",
    "SELECT * FROM enable_profiling()",
    "CALL enable_logging()",
    "SELECT write_log('x')",
    "SELECT current_setting('allowed_paths')",
    "SELECT getvariable('x')",
    "SELECT current_query()",
    "SELECT sleep_ms(1)",
    "SELECT pg_sleep(1)",
    "SELECT nextval('s')",
    "SELECT getenv('HOME')",
    "SELECT version()",
    "SELECT system.main.current_setting('threads')",
    "SELECT pg_catalog.upper('a')",
    "SELECT json_serialize_sql('select 1')",
    "SELECT json_deserialize_sql('{}')",
    `COPY (SELECT 1) TO '${file}'`,
    `COPY many TO '${file}'`,
    `EXPORT DATABASE '${file}'`,
    `IMPORT DATABASE '${file}'`,
    `ATTACH '${file}' AS x`,
    "DETACH memory",
    "USE system",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "RESET threads",
    "SET VARIABLE x = 1",
    "PRAGMA version",
    "PRAGMA enable_profiling",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE OR REPLACE VIEW many AS SELECT 1",
    "CREATE MACRO f(x) AS x",
    "CREATE SECRET (TYPE s3)",
    "INSERT INTO many VALUES (1)",
    "UPDATE many SET n = 1",
    "DELETE FROM many",
    "DROP VIEW many",
    "ALTER VIEW many RENAME TO x",
    "TRUNCATE many",
    "VACUUM",
    "CHECKPOINT",
    "BEGIN",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW many",
    "SELECT $1",
    "SELECT ?",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
    "DESCRIBE",
    `DESCRIBE '${file}'`,
    `SUMMARIZE '${file}'`,
    `DESCRIBE SELECT * FROM read_csv('${file}')`,
    "PIVOT many ON gender USING count(*)",
    "SELECT * FROM main.many",
    "SELECT * FROM memory.main.many",
    "SELECT * FROM _answer_of_the_user",
    "SELECT 1) AS x, (SELECT 2",
    "",
    ";",
    `SELECT ${"1+".repeat(60_000)}1`,
    "SELECT 'a\0b'",
  ];

  const hash = async (): Promise<string[]> =>
    await Promise.all(
      (await readdir(lake.folder)).sort().map(async (name) => {
        const bytes = await readFile(path.join(lake.folder, name));
        return `${name} ${createHash("sha256").update(bytes).digest("hex")}`;
      }),
    );

  it("refuses every probe as a bad question, and no file changes", async () => {
    const before = await hash();
    const outcomes: string[] = [];
    for (const probe of probes(secret)) {
      const error = await failure(probe);
      const expected = ["query/sql-refused", "query/sql-invalid", "query/unknown-view"].includes(error.code);
      if (!expected || error.message.includes("canary"))
        outcomes.push(`${probe.slice(0, 80)} => ${error.code}`);
    }
    expect(outcomes).toEqual([]);
    expect(await hash()).toEqual(before);
  });

  it("is sealed even for statements that pass the check: no other file opens, no setting changes", async () => {
    const database = await Database.open();
    await database.seal([path.join(lake.folder, "1-many.parquet")]);
    await database.with(async (connection) => {
      await connection.rows(
        `SELECT count(*) FROM read_parquet('${path.join(lake.folder, "1-many.parquet")}')`,
      );
      for (const sql of [
        `SELECT * FROM read_text('${secret}')`,
        `SELECT * FROM '${secret}'`,
        `SELECT * FROM glob('${lake.folder}/*')`,
        `COPY (SELECT 1) TO '${lake.folder}/new.csv'`,
        `ATTACH '${lake.folder}/new.db' AS x`,
        "SET enable_external_access = true",
        "SET allowed_paths = ['/']",
      ]) {
        await expect(connection.run(sql), sql).rejects.toMatchObject({ name: "LakeError" });
      }
    });
    database.close();
  });

  it("lists only functions that this engine has", async () => {
    const database = await Database.open();
    const rows = await database.with((connection) =>
      connection.rows<{ name: string }>(
        "SELECT DISTINCT lower(function_name) AS name FROM duckdb_functions()",
      ),
    );
    database.close();
    const known = new Set(rows.map((row) => row.name));
    const special = new Set(["coalesce", "ifnull", "if", "grouping", "grouping_id", "->"]);
    const unknown = [...allowedFunctions].filter(
      (name) => !known.has(name) && !special.has(name) && !/^(list|array)_/.test(name),
    );
    expect(unknown).toEqual([]);
  });
});
