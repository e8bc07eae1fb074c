// Evaluates one view over NDJSON again and again, rows to a file: "ours" or "hand", view definition file, NDJSON file, file for the rows,
// number of runs, hand-written SQL file. A line of JSON per event, as the peers print them.
import { readFileSync } from "node:fs";
import { compileView, ndjsonRelation } from "#compiler";
import { Database, quoteLiteral } from "#duckdb";
import { loadDefinitions } from "#fhir";

const [who, viewFile, input, output, runs, handFile] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];

function statement(): string {
  if (who === "hand")
    return readFileSync(handFile, "utf8").replaceAll("{{source}}", input).replaceAll("'{{prefix}}' || ", "");
  const view = compileView(JSON.parse(readFileSync(viewFile, "utf8")));
  const source = ndjsonRelation({
    files: [input],
    resourceType: view.resource,
    shape: view.requiredShape,
    definitions: loadDefinitions(view.fhirVersion),
  });
  return view.sql(source).text;
}

const database = await Database.open({ memoryLimitBytes: 448 * 2 ** 20, threads: 2 });
const connection = await database.connect();
process.stdout.write(`${JSON.stringify({ event: "ready", version: "" })}\n`);
for (let run = 0; run < Number(runs); run++) {
  const started = performance.now();
  await connection.run(`COPY (${statement()}) TO ${quoteLiteral(output)} (FORMAT json)`);
  process.stdout.write(`${JSON.stringify({ event: "run", wall: (performance.now() - started) / 1000 })}\n`);
}
connection.close();
database.close();
