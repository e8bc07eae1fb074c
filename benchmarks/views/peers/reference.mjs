// Evaluates a view over NDJSON by the reference implementation: reference.mjs VIEW INPUT OUTPUT RUNS, with FHIR_LAKE_PEER_HOME naming a folder
// of FHIR/sql-on-fhir-v2 with the packages of sof-js installed. A line of JSON per event.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [viewFile, source, output, runs] = process.argv.slice(2);
const home = path.join(process.env.FHIR_LAKE_PEER_HOME, "sof-js");
const { evaluate } = await import(pathToFileURL(path.join(home, "src", "index.js")).href);

/** Its validator wants a type for each column; the type changes nothing in the rows. */
function typed(select) {
  return {
    ...select,
    ...(select.column === undefined
      ? {}
      : { column: select.column.map((column) => ({ type: "string", ...column })) }),
    ...(select.select === undefined ? {} : { select: select.select.map(typed) }),
    ...(select.unionAll === undefined ? {} : { unionAll: select.unionAll.map(typed) }),
  };
}

const { resource, status, name, constant, where, select } = JSON.parse(readFileSync(viewFile, "utf8"));
const view = { resource, status, name, select: select.map(typed) };
if (constant !== undefined) view.constant = constant;
if (where !== undefined) view.where = where;
console.log(JSON.stringify({ event: "ready", version: "reference implementation (sof-js)" }));
for (let run = 0; run < Number(runs); run++) {
  const started = performance.now();
  const resources = readFileSync(source, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const rows = evaluate(view, resources);
  writeFileSync(output, rows.map((row) => JSON.stringify(row)).join("\n"));
  console.log(JSON.stringify({ event: "run", wall: (performance.now() - started) / 1000 }));
}
