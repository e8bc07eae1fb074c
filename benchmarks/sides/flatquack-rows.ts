// Evaluates one view by FlatQuack's SQL on the DuckDB that FlatQuack pins, and answers how many rows came, their
// checksum and whether they are ours; instead of these the reason ("problem") where it cannot evaluate the view. Arguments: folder of a
// FlatQuack checkout with its packages and @duckdb/node-api installed, view definition file, NDJSON file, Parquet file to write our rows
// to for comparison ('' to compare nothing). The engine is the one in that folder, not ours.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { compileView, ndjsonRelation } from "#compiler";
import { Database } from "#duckdb";
import { loadDefinitions } from "#fhir";
import { reportCost } from "../measure.js";

interface Builder {
  templateToQuery(
    view: unknown,
    schema: unknown,
    template: string,
    args: [string, string][],
    verbose: boolean,
    filterByResourceType: undefined,
    customMacros: null,
    constants: Readonly<Record<string, string>>,
  ): string;
}
interface Engine {
  DuckDBInstance: {
    create(
      file: string,
      settings: Record<string, string>,
    ): Promise<{
      connect(): Promise<{
        run(sql: string): Promise<unknown>;
        runAndReadAll(sql: string): Promise<{ getRowsJson(): unknown[][] }>;
      }>;
    }>;
  };
}
interface Column {
  readonly name: string;
  readonly path: string;
}

const [folder, viewFile, input, ours] = process.argv.slice(2) as [string, string, string, string];
const view = JSON.parse(readFileSync(viewFile, "utf8")) as {
  readonly constant?: readonly ({ readonly name: string } & Readonly<Record<string, unknown>>)[];
};
// It takes a view's constants from its command line only.
const constants = Object.fromEntries(
  (view.constant ?? []).map(({ name, ...value }) => [name, String(Object.values(value)[0])]),
);
const require = createRequire(path.join(folder, "package.json"));
const { DuckDBInstance } = require("@duckdb/node-api") as Engine;
const builder = (await import(
  pathToFileURL(path.join(folder, "src", "query-builder.js")).href
)) as unknown as Builder;
const schema: unknown = JSON.parse(readFileSync(path.join(folder, "schemas", "fhir-schema-r4.json"), "utf8"));

const END_OF_MACROS = "-- end of macros";
const template =
  `{{fq_sql_macros}}\n${END_OF_MACROS}\n` +
  `WITH transformed AS (SELECT {{fq_sql_transform_expression}} AS result FROM read_json_auto('{{input}}' {{fq_sql_input_schema}}) {{fq_where_filter}}) ` +
  "SELECT {{fq_sql_flattening_cols}} FROM transformed {{fq_sql_flattening_tables}}";
function columnsOf(select: unknown): Column[] {
  const { column = [], select: nested = [] } = select as { column?: Column[]; select?: unknown[] };
  return [...column, ...nested.flatMap(columnsOf)];
}

/** FlatQuack's keys are bare ids. */
function comparable({ name, path: expression }: Column): string {
  const text = `CAST("${name}" AS VARCHAR)`;
  return /get(Resource|Reference)Key/.test(expression) ? `regexp_replace(${text}, '^.*/', '')` : text;
}

const columns = columnsOf(view);
const connection = await (
  await DuckDBInstance.create(":memory:", { memory_limit: "448MB", threads: "2" })
).connect();

/** FlatQuack's statement, its macros defined. */
async function prepared(): Promise<string> {
  const text = builder.templateToQuery(
    view,
    schema,
    template,
    [["input", input]],
    false,
    undefined,
    null,
    constants,
  );
  const [macros, query] = text.split(END_OF_MACROS) as [string, string];
  await connection.run(macros);
  return query;
}

/** How many rows only one of both sides has: ours are written by our engine, and compared by FlatQuack's. */
async function differences(query: string, file: string): Promise<number> {
  const compiled = compileView(JSON.stringify(view));
  const { resource: resourceType, requiredShape: shape } = compiled;
  const definitions = loadDefinitions(compiled.fhirVersion);
  const { text } = compiled.sql(ndjsonRelation({ files: [input], resourceType, shape, definitions }));
  const database = await Database.open({ threads: 2 });
  await database.with((own) => own.run(`COPY (${text}) TO '${file}' (FORMAT parquet)`));
  database.close();
  const list = columns.map(comparable).join(", ");
  const result = await connection.runAndReadAll(
    `SELECT (SELECT count(*) FROM (SELECT ${list} FROM (${query}) EXCEPT ALL SELECT ${list} FROM '${file}'))
          + (SELECT count(*) FROM (SELECT ${list} FROM '${file}' EXCEPT ALL SELECT ${list} FROM (${query})))`,
  );
  return Number(result.getRowsJson()[0]![0]);
}

async function measured(query: string): Promise<void> {
  const different = ours === "" ? undefined : await differences(query, ours);
  await reportCost(async () => {
    const hashed = columns.map(({ name }) => `"${name}"`).join(", ");
    const result = await connection.runAndReadAll(
      `SELECT count(*), coalesce(sum(hash(${hashed})::HUGEINT), 0) FROM (${query})`,
    );
    const [rows, checksum] = result.getRowsJson()[0]!;
    return { rows: Number(rows), checksum: String(checksum), different };
  });
}

try {
  await measured(await prepared());
} catch (error) {
  // What it cannot evaluate is a finding about the view, not an end of the comparison.
  const problem = (error instanceof Error ? error.message : String(error)).trim().split("\n")[0]!;
  await reportCost(() => Promise.resolve({ problem }));
}
