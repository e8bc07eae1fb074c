// The limit: what somebody writes who has DuckDB alone, with nothing of ours. Columns and their types are what DuckDB finds in the file; no
// keys, no order, no source text, no checks. Arguments: output folder, NDJSON files…
import { mkdirSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { reportCost } from "../measure.js";

const [out, ...inputs] = process.argv.slice(2);
mkdirSync(out!, { recursive: true });
const instance = await DuckDBInstance.create(":memory:", {
  preserve_insertion_order: "false",
  temp_directory: path.join(out!, "spill"),
});
const connection = await instance.connect();
await reportCost(async () => {
  let rows = 0;
  for (const input of inputs) {
    const to = path.join(out!, `${path.basename(input, ".ndjson")}.parquet`);
    // Types are taken from all rows: those of a sample fail at the first row that has another one.
    const result = await connection.run(
      `COPY (SELECT * FROM read_ndjson('${input}', sample_size = -1, maximum_object_size = 33554432)) TO '${to}' (FORMAT parquet, COMPRESSION zstd)`,
    );
    rows += result.rowsChanged;
  }
  return { rows };
});
connection.closeSync();
instance.closeSync();
