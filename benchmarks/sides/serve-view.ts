/** Serves one view of many rows until it is told to end: `serve-view.js <folder> <rows>`. Prints its port as one JSON line. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { Database, quoteLiteral } from "#duckdb";
import { systemClock } from "#kernel";
import { createQuery, type LakeCatalog, type SnapshotReader, type ViewColumn } from "#query";
import { createApp, createLogger, startServer } from "#serving";

const [folder = ".", rowsText = "1000000"] = process.argv.slice(2);
const rowCount = Number(rowsText);
const file = path.join(folder, "observations.parquet");
mkdirSync(folder, { recursive: true });

const types: Readonly<Record<string, string>> = {
  patient_key: "VARCHAR",
  code: "VARCHAR",
  birth_date: "DATE",
  value_text: "VARCHAR",
  value_number: "DOUBLE",
  n: "BIGINT",
  at: "TIMESTAMP WITH TIME ZONE",
  flag: "BOOLEAN",
  display: "VARCHAR",
};
const columns: ViewColumn[] = Object.entries(types).map(([name, sqlType]) => ({
  name,
  sqlType,
  path: name === "patient_key" ? "subject.getReferenceKey(Patient)" : name,
  fhirType: name === "value_text" ? "decimal" : undefined,
  collection: false,
  description: undefined,
}));

const database = await Database.open({
  preserveInsertionOrder: true,
  keepParquetFooters: true,
  threads: 2,
  memoryLimitBytes: 512 * 1024 * 1024,
  tempDirectory: path.join(folder, "spill"),
});
// Sorted as a lake sorts its files, by patient and then by day, in row groups of its size.
await database.with((connection) =>
  connection.run(
    `COPY (SELECT CAST(md5(i::VARCHAR) AS UUID) AS _lake_key, 'Patient/' || (i // 20) AS patient_key, 'code-' || (i % 300) AS code,
      DATE '1950-01-01' + ((i // 20) % 20000)::INTEGER AS birth_date, ((i % 7919) / 7.0)::DECIMAL(12,2)::VARCHAR AS value_text,
      ((i * 7919) % 1000003) / 7.0 AS value_number, i::BIGINT AS n, TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(i) AS "at",
      i % 2 = 0 AS flag, 'some "display", text ' || (i % 1000) AS display FROM range(${rowCount}) t(i) ORDER BY patient_key, "at")
     TO ${quoteLiteral(file)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)`,
  ),
);

const reader: SnapshotReader = {
  id: 1,
  committedAt: "2026-01-01T00:00:00.000Z",
  views: new Map([
    [
      "observations",
      {
        name: "observations",
        columns,
        relation: () => Promise.resolve(`(SELECT * FROM read_parquet(${quoteLiteral(file)}))`),
        state: "ready",
        rowCount,
        resource: "Observation",
      },
    ],
  ]),
  release: () => undefined,
};
const catalog: LakeCatalog = {
  latest: () => Promise.resolve(reader),
  at: () => Promise.resolve(reader),
  snapshots: () => Promise.resolve([reader]),
};
const app = createApp({
  catalog,
  query: createQuery({ catalog, database, temporaryFolder: path.join(folder, "answers") }),
  clock: systemClock,
  log: createLogger({ level: "error" }),
});
const server = await startServer(app, { port: 0, host: "127.0.0.1" });
process.stdout.write(`${JSON.stringify({ port: server.port })}\n`);
process.once("SIGTERM", () => {
  void server.close().then(() => {
    database.close();
    process.exit(0);
  });
});
