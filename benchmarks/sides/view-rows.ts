// Evaluates one view over NDJSON or over a lake and answers a checksum of its rows. Arguments: "ours" or "hand", "ndjson" or "lake",
// view definition file, hand-written SQL file, NDJSON file or lake folder.
import { readFileSync } from "node:fs";
import { compileView, ndjsonRelation, type ViewSource } from "#compiler";
import { Database, quoteIdentifier } from "#duckdb";
import { loadDefinitions } from "#fhir";
import { Lake, liveResources } from "#lake";
import { reportCost } from "../measure.js";

const [who, where, viewFile, handFile, place] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const view = compileView(JSON.parse(readFileSync(viewFile, "utf8")));
const names = view.columns.map((column) => quoteIdentifier(column.name)).join(", ");

async function lakeSource(): Promise<ViewSource> {
  const lake = await Lake.open({ location: place, mustExist: true });
  const table = (await lake.head()).tables[view.resource];
  if (table === undefined) throw new Error(`the lake has no ${view.resource}`);
  const resources = await liveResources(lake, view.resource, table);
  await lake.close();
  return { ...resources, keyColumn: "_lake_key", idColumn: "_lake_id", sourceColumn: "_lake_source" };
}

/** The hand-written statement: `{{source}}` is the relation or file, `{{prefix}}` what keys start with. */
function handWritten(source: string, prefix: string): string {
  const sql = readFileSync(handFile, "utf8").replaceAll("{{source}}", source);
  return prefix === "" ? sql.replaceAll("'{{prefix}}' || ", "") : sql.replaceAll("{{prefix}}", prefix);
}

async function statement(): Promise<string> {
  if (where === "lake") {
    const source = await lakeSource();
    return who === "ours" ? view.sql(source).text : handWritten(source.relation, "main/");
  }
  if (who === "hand") return handWritten(place, "");
  const definitions = loadDefinitions(view.fhirVersion);
  const source = ndjsonRelation({
    files: [place],
    resourceType: view.resource,
    shape: view.requiredShape,
    definitions,
  });
  return view.sql(source).text;
}

const sql = await statement();
const database = await Database.open({ memoryLimitBytes: 448 * 2 ** 20, threads: 2 });
const connection = await database.connect();
if (process.env["FHIR_LAKE_BENCH_EXPLAIN"] !== undefined) {
  process.stderr.write(`${sql}\n`);
  process.stderr.write(`${JSON.stringify(await connection.rows(`DESCRIBE ${sql}`))}\n`);
}
// A sum of row hashes reads every value of every row, keeps nothing, and is equal for equal bags of rows.
await reportCost(async () => {
  const [row] = await connection.rows<{ rows: string; checksum: string }>(
    `SELECT count(*) AS rows, coalesce(sum(hash(${names})::HUGEINT), 0) AS checksum FROM (${sql})`,
  );
  return { rows: Number(row?.rows), checksum: String(row?.checksum) };
});
connection.close();
database.close();
