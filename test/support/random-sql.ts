/** Functions that reach beyond the views, or would. */
const hostileTables = [
  "read_csv('{file}')",
  "read_text('{file}')",
  "read_blob('{file}')",
  "read_parquet('{file}')",
  "read_json_auto('{file}')",
  "glob('{file}*')",
  "parquet_metadata('{file}')",
  "duckdb_settings()",
  "duckdb_tables()",
  "duckdb_columns()",
  "duckdb_secrets()",
  "pragma_table_info('many')",
  "pragma_show('many')",
  "query('SELECT 1')",
  "query_table('many')",
  "enable_logging(storage='file', storage_path='{file}')",
  "checkpoint()",
  "force_checkpoint()",
  "test_all_types()",
  "seq_scan('many')",
  "sniff_csv('{file}')",
  "sql_auto_complete('SEL')",
  "'{file}'",
  '"{file}"',
  "information_schema.tables",
  "pg_catalog.pg_tables",
  "sqlite_master",
  "duckdb_views",
  "main.many",
  "memory.main.many",
  "system.main.duckdb_tables",
  "_answer_of_the_user",
  "_view",
  "_statement",
] as const;
const tables = [
  "many",
  "every_type",
  "MANY",
  '"many"',
  "range(5)",
  "generate_series(1, 3)",
  "unnest([1, 2])",
  "json_each('{}')",
] as const;
const columns = [
  "n",
  "gender",
  "display",
  "flag",
  '"at"',
  "birth_date",
  "patient_key",
  "note",
  "given",
  "age",
  "*",
  "1",
  "a.n",
  "rowid",
  "_lake_key",
] as const;
const scalars = [
  "abs",
  "upper",
  "length",
  "md5",
  "coalesce",
  "list_sort",
  "typeof",
  "hash",
  "to_json",
  "strlen",
  "year",
  "repeat",
  "range",
  "printf",
  "format",
  "struct_pack",
  "list_value",
  "concat",
] as const;
const hostileScalars = [
  "getenv",
  "current_setting",
  "getvariable",
  "pg_sleep",
  "sleep_ms",
  "read_text",
  "nextval",
  "json_serialize_sql",
  "json_execute_serialized_sql",
  "write_log",
  "current_query",
  "current_user",
  "current_database",
  "version",
  "txid_current",
  "in_search_path",
  "icu_collate_de",
  "add_parquet_key",
  "error",
  "system.main.getenv",
] as const;
const aggregates = [
  "count",
  "sum",
  "max",
  "min",
  "list",
  "string_agg",
  "histogram",
  "approx_quantile",
  "any_value",
] as const;
const operators = [
  "+",
  "-",
  "*",
  "=",
  "<",
  ">=",
  "||",
  "LIKE",
  "IS DISTINCT FROM",
  "AND",
  "OR",
  "SIMILAR TO",
  "//",
  "::VARCHAR ||",
  "->>",
  "IN",
] as const;
const constants = [
  "1",
  "NULL",
  "'x'",
  "'{file}'",
  "true",
  "1.5",
  "DATE '2020-01-01'",
  "INTERVAL 1 DAY",
  "[1, 2]",
  "{'a': 1}",
  "$$x$$",
  "E'\\n'",
  "x'00'",
  "99999999999999999999",
  "'; DROP VIEW many; --'",
  "$p",
  "?",
] as const;
const whole = [
  "COPY (SELECT * FROM many) TO '{file}'",
  "COPY many FROM '{file}'",
  "EXPORT DATABASE '{file}'",
  "IMPORT DATABASE '{file}'",
  "ATTACH '{file}' AS x",
  "ATTACH IF NOT EXISTS '{file}' (TYPE sqlite)",
  "DETACH memory",
  "USE memory",
  "INSTALL httpfs FROM 'http://localhost:1'",
  "LOAD '{file}'",
  "SET enable_external_access = true",
  "SET allowed_paths = ['/']",
  "SET GLOBAL allowed_directories = ['/']",
  "RESET ALL",
  "SET VARIABLE x = (SELECT 1)",
  "PRAGMA database_list",
  "PRAGMA enable_profiling",
  "CALL pragma_version()",
  "CREATE TABLE many AS SELECT 1",
  "CREATE OR REPLACE TEMP VIEW many AS SELECT 1",
  "CREATE MACRO upper(x) AS x",
  "CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b')",
  "CREATE FUNCTION f() AS TABLE SELECT 1",
  "CREATE TYPE t AS ENUM ('a')",
  "INSERT INTO many DEFAULT VALUES",
  "UPDATE many SET n = 1",
  "DELETE FROM many",
  "MERGE INTO many USING many AS m ON true WHEN MATCHED THEN DELETE",
  "DROP VIEW many CASCADE",
  "ALTER TABLE many ADD COLUMN x INT",
  "COMMENT ON VIEW many IS 'x'",
  "VACUUM",
  "ANALYZE",
  "CHECKPOINT",
  "BEGIN TRANSACTION",
  "COMMIT",
  "EXPLAIN ANALYZE SELECT 1",
  "PREPARE p AS SELECT 1",
  "EXECUTE p(1)",
  "DEALLOCATE p",
  "SHOW ALL TABLES",
  "SHOW TABLES FROM memory",
  "DESCRIBE",
  "SUMMARIZE '{file}'",
  "PIVOT many ON gender USING count(*)",
  "UNPIVOT many ON n INTO NAME a VALUE b",
  "FROM many INSERT INTO many",
  "TABLE many",
  "VALUES ((SELECT 1 FROM '{file}'))",
] as const;
const noise = [
  "",
  "",
  "",
  "",
  ";",
  " -- '",
  " /* ",
  " */",
  ";;",
  "; SELECT 2",
  "'",
  '"',
  ")",
  "(",
  "\u0000",
  "\u00a0",
  "\u202e",
  "$",
  "\\",
  "; COPY many TO '{file}'",
  " -- ;\n; ATTACH '{file}'",
] as const;

/** Expressions over the view `many` that have a type and a value. */
const sound = [
  "n",
  "n + 1",
  "upper(gender)",
  "display || '{file}'",
  "length(display)",
  "coalesce(gender, 'none')",
  "birth_date - INTERVAL 1 DAY",
  "year(birth_date)",
  "list_transform([n, 2], lambda x: x + 1)",
  "CASE WHEN flag THEN n END",
  "TRY_CAST(value_text AS DOUBLE)",
  "md5(patient_key)",
  "(SELECT max(m.n) FROM many AS m)",
  "n IN (SELECT i FROM range(5) t(i))",
  "row_number() OVER (ORDER BY n)",
  "regexp_matches(display, '[0-9]+')",
  "struct_pack(a := n, b := gender)",
  "to_json(n)",
  '"at"',
  "*",
  "COLUMNS('^n$')",
] as const;

/** SELECTs and other statements of a grammar that mixes what may be asked with what may not. Equal seeds give equal statements. */
export class RandomSql {
  private readonly random: () => number;
  private readonly files: readonly string[];

  constructor(random: () => number, files: readonly string[]) {
    this.random = random;
    this.files = files;
  }

  private one<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)]!;
  }

  private chance(share: number): boolean {
    return this.random() < share;
  }

  private filled(text: string): string {
    return text.replaceAll("{file}", this.one(this.files));
  }

  private table(depth: number): string {
    if (depth > 0 && this.chance(0.2))
      return `(${this.select(depth - 1)}) AS ${this.one(["a", "b", "many", "_view"])}`;
    const name = this.filled(this.one(this.chance(0.06) ? hostileTables : tables));
    return this.chance(0.5) ? `${name} AS a` : name;
  }

  private expression(depth: number): string {
    if (depth <= 0 || this.chance(0.3)) return this.filled(this.one(this.chance(0.75) ? columns : constants));
    const inner = (): string => this.expression(depth - 1);
    switch (Math.floor(this.random() * 9)) {
      case 0:
        return `${this.one(this.chance(0.07) ? hostileScalars : scalars)}(${inner()})`;
      case 1:
        return `(${inner()} ${this.one(operators)} ${inner()})`;
      case 2:
        return `CASE WHEN ${inner()} THEN ${inner()} END`;
      case 3:
        return this.chance(0.3) ? `(${this.select(depth - 1)})` : inner();
      case 4:
        return `${this.chance(0.5) ? "TRY_CAST" : "CAST"}(${inner()} AS ${this.one(["INTEGER", "VARCHAR", "DATE", "JSON", "INTEGER[]", "many"])})`;
      case 5:
        return `${this.one(aggregates)}(${inner()})${this.chance(0.3) ? " OVER ()" : ""}`;
      case 6:
        return `list_transform([1, 2], lambda x: ${inner()})`;
      case 7:
        return `${inner()} IN (${this.chance(0.2) ? this.select(depth - 1) : inner()})`;
      default:
        return this.one([
          "COLUMNS('n.*')",
          "COLUMNS(*)",
          "a.*",
          "* EXCLUDE (n)",
          "* REPLACE (1 AS n)",
          "#1",
          "many",
        ]);
    }
  }

  private select(depth: number): string {
    const items = Array.from({ length: 1 + Math.floor(this.random() * 3) }, () => this.expression(depth));
    const parts = [
      `SELECT ${this.chance(0.1) ? "DISTINCT " : ""}${items.join(", ")} FROM ${this.table(depth)}`,
    ];
    if (this.chance(0.2))
      parts.push(
        `${this.one(["JOIN", "LEFT JOIN", "CROSS JOIN", "ASOF JOIN", "POSITIONAL JOIN", ","])} ${this.table(depth)}${this.chance(0.5) ? " ON true" : ""}`,
      );
    if (this.chance(0.3)) parts.push(`WHERE ${this.expression(depth)}`);
    if (this.chance(0.2)) parts.push(this.chance(0.5) ? "GROUP BY ALL" : `GROUP BY ${this.expression(1)}`);
    if (this.chance(0.1)) parts.push(`QUALIFY ${this.expression(1)}`);
    if (this.chance(0.2)) parts.push(`ORDER BY ${this.chance(0.5) ? "ALL" : this.expression(1)}`);
    if (this.chance(0.2)) parts.push(`LIMIT ${this.chance(0.8) ? "3" : this.expression(depth - 1)}`);
    if (this.chance(0.05)) parts.push(`USING SAMPLE ${this.one(["3", "10%", "reservoir(2 ROWS)"])}`);
    if (depth > 0 && this.chance(0.1))
      parts.push(
        `${this.one(["UNION ALL", "EXCEPT", "INTERSECT", "UNION BY NAME"])} ${this.select(depth - 1)}`,
      );
    const statement = parts.join(" ");
    if (depth <= 0 || !this.chance(0.1)) return statement;
    const recursive = this.chance(0.3) ? "RECURSIVE " : "";
    return `WITH ${recursive}${this.one(["a", "many", "sqlite_master", '"{file}"']).replace("{file}", this.one(this.files))} AS (${this.select(depth - 1)}) ${statement}`;
  }

  /** A statement that runs, or would but for one part of it. */
  private soundSelect(): string {
    const items = Array.from({ length: 1 + Math.floor(this.random() * 3) }, () =>
      this.filled(this.one(sound)),
    );
    const hostile = this.random();
    if (hostile < 0.15) items.push(`${this.one(hostileScalars)}('${this.one(this.files)}')`);
    const table = hostile > 0.15 && hostile < 0.3 ? this.filled(this.one(hostileTables)) : "many";
    const extra = hostile > 0.3 && hostile < 0.4 ? `, ${this.filled(this.one(hostileTables))}` : "";
    const tail = this.one([
      "",
      "WHERE n < 5",
      "ORDER BY ALL",
      "LIMIT 3",
      "WHERE gender = 'male' ORDER BY n DESC LIMIT 2",
    ]);
    return `SELECT ${items.join(", ")} FROM ${table}${extra} ${tail}`;
  }

  private body(): string {
    const kind = this.random();
    if (kind < 0.1) return this.filled(this.one(whole));
    return kind < 0.55 ? this.soundSelect() : this.select(1 + Math.floor(this.random() * 2));
  }

  /** The next statement. */
  statement(): string {
    const body = this.body();
    const head = this.chance(0.06)
      ? this.one(["EXPLAIN ", "DESCRIBE ", "SUMMARIZE ", "CREATE TABLE x AS ", "FROM ", "("])
      : "";
    const text = `${head}${body}${this.chance(0.15) ? this.filled(this.one(noise)) : ""}`;
    if (!this.chance(0.03)) return text;
    // One character of it becomes another.
    const place = Math.floor(this.random() * text.length);
    return text.slice(0, place) + this.one(["'", '"', ";", "(", "\u0000", "-", "$"]) + text.slice(place + 1);
  }
}
