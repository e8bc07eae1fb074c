// Evaluates a view over NDJSON by the SQL that FlatQuack makes, on the engine that it pins: flatquack.mjs VIEW INPUT OUTPUT RUNS, with
// FHIR_LAKE_PEER_HOME naming a checkout with its packages and @duckdb/node-api. A line of JSON per event. Memory and threads are ours.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [viewFile, input, output, runs] = process.argv.slice(2);
const home = process.env.FHIR_LAKE_PEER_HOME;
const require = createRequire(path.join(home, "package.json"));
const { DuckDBInstance, version: engine } = require("@duckdb/node-api");
const { templateToQuery } = await import(pathToFileURL(path.join(home, "src", "query-builder.js")).href);
const schema = JSON.parse(readFileSync(path.join(home, "schemas", "fhir-schema-r4.json"), "utf8"));
const { version } = JSON.parse(readFileSync(path.join(home, "package.json"), "utf8"));

const END_OF_MACROS = "-- end of macros";
const rows =
  "WITH transformed AS (SELECT {{fq_sql_transform_expression}} AS result FROM read_json_auto('{{input}}' {{fq_sql_input_schema}}) {{fq_where_filter}}) " +
  "SELECT {{fq_sql_flattening_cols}} FROM transformed {{fq_sql_flattening_tables}}";
const template = `{{fq_sql_macros}}\n${END_OF_MACROS}\nCOPY (${rows}) TO '{{output}}' (FORMAT json)`;
const files = [
  ["input", input],
  ["output", output],
];
const view = JSON.parse(readFileSync(viewFile, "utf8"));
// It takes a view's constants from its command line only.
const constants = (view.constant ?? []).map(({ name, ...value }) => [name, String(Object.values(value)[0])]);
const [macros, query] = templateToQuery(
  view,
  schema,
  template,
  files,
  false,
  undefined,
  null,
  Object.fromEntries(constants),
).split(END_OF_MACROS);
const database = await DuckDBInstance.create(":memory:", { memory_limit: "448MB", threads: "2" });
const connection = await database.connect();
await connection.run(macros);
console.log(JSON.stringify({ event: "ready", version: `FlatQuack ${version}, DuckDB ${engine()}` }));
for (let run = 0; run < Number(runs); run++) {
  const started = performance.now();
  await connection.run(query);
  console.log(JSON.stringify({ event: "run", wall: (performance.now() - started) / 1000 }));
}
connection.closeSync();
