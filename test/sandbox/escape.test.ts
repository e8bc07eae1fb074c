import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { createParquetLake, everyType, manyRows, type ParquetLake } from "../support/parquet-lake.js";
import { type SqlSide, sqlOver } from "../support/sql-side.js";

let lake: ParquetLake;
let sql: SqlSide;
let secret: string;

beforeAll(async () => {
  lake = await createParquetLake();
  secret = path.join(lake.folder, "secret.csv");
  await writeFile(secret, "a,b\ncanary,2\n");
  sql = await sqlOver(lake.catalog);
  await lake.commit([everyType, manyRows("many", 3000)]);
});

afterAll(async () => {
  await sql.close();
  expect(lake.held()).toBe(0);
  await lake.close();
});

const refusals = ["query/sql-refused", "query/sql-invalid", "query/sql-parameter", "query/unknown-view"];

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
      const error = await sql.failure(probe);
      const expected = refusals.includes(error.code);
      if (!expected || error.message.includes("canary"))
        outcomes.push(`${probe.slice(0, 80)} => ${error.code}`);
    }
    expect(outcomes).toEqual([]);
    expect(await hash()).toEqual(before);
  });

  it("is sealed even for statements that pass the check: no other file opens, no setting changes", async () => {
    const database = await Database.open();
    await database.seal({ files: [path.join(lake.folder, "1-many.parquet")] });
    await database.with(async (connection) => {
      await connection.rows(
        `SELECT count(*) FROM read_parquet('${path.join(lake.folder, "1-many.parquet")}')`,
      );
      for (const statement of [
        `SELECT * FROM read_text('${secret}')`,
        `SELECT * FROM '${secret}'`,
        `SELECT * FROM glob('${lake.folder}/*')`,
        `COPY (SELECT 1) TO '${lake.folder}/new.csv'`,
        `ATTACH '${lake.folder}/new.db' AS x`,
        "SET enable_external_access = true",
        "SET allowed_paths = ['/']",
      ]) {
        await expect(connection.run(statement), statement).rejects.toMatchObject({ name: "LakeError" });
      }
    });
    database.close();
  });
});
