// One COPY per type that gives the rows that we store, by our own statement of them: columns, decimals, source text, digest and sort, with
// our memory limit; no checks, no fold, no snapshot. Tells what landing costs beyond its statement, not what DuckDB could do without us.
// Arguments: lake folder (for the observed paths), output folder, NDJSON files named <Type>.ndjson…
import { mkdirSync } from "node:fs";
import path from "node:path";
import { Database } from "#duckdb";
import { Lake } from "#lake";
import { rowsFromLanding } from "../../src/lake/table-layout.js";
import { reportCost } from "../measure.js";

const [location, out, ...inputs] = process.argv.slice(2);
const lake = await Lake.open({ location: location!, mustExist: true });
const { tables } = await lake.head();
const { definitions } = lake;
await lake.close();
mkdirSync(out!, { recursive: true });
const database = await Database.open({
  memoryLimitBytes: 736 * 2 ** 20,
  tempDirectory: path.join(out!, "spill"),
});
await reportCost(async () => {
  let rows = 0;
  const connection = await database.connect();
  for (const input of inputs) {
    const type = path.basename(input).split(".")[0]!;
    const text = (name: string): string => `json_extract_string(raw, '$.${name}')`;
    const key = `sha256('main' || chr(0) || '${type}' || chr(0) || id)`;
    const landing = `(SELECT left(${key}, 32) AS "key", 'U' AS kind, id, coalesce(version, '') AS version, coalesce(last_updated, '') AS last_updated, lpad(printf('%x', coalesce(epoch_ns(try_cast(last_updated AS TIMESTAMPTZ)), 0)), 16, '0') || lpad(coalesce(version, '0'), 16, '0') || '00' || lpad(printf('%x', 1), 12, '0') || lpad('1', 12, '0') || left(sha256(raw), 32) AS "order", raw FROM (SELECT json::VARCHAR AS raw, ${text("id").replace("raw", "json")} AS id, ${text("meta.versionId").replace("raw", "json")} AS version, ${text("meta.lastUpdated").replace("raw", "json")} AS last_updated FROM read_ndjson_objects('${input}', maximum_object_size = 33554432)))`;
    const select = rowsFromLanding({
      definitions,
      type,
      source: "main",
      acceptedAtMs: 0,
      observed: tables[type]!.observed,
      landing,
    });
    const [row] = await connection.rows<{ Count: string }>(
      `COPY (${select}) TO '${path.join(out!, `${type}.parquet`)}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)`,
    );
    rows += Number(row?.Count);
  }
  return { rows };
});
database.close();
