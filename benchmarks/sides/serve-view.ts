/** Serves one view of many rows until it is told to end: `serve-view.js <folder> <rows>`. Prints its port as one JSON line. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { Database } from "#duckdb";
import { systemClock } from "#kernel";
import { type FileRef, FileWriter, Lake, type ViewState } from "#lake";
import { createQuery, HotCopies, lakeCatalog, type ViewColumn } from "#query";
import { createApp, createLogger, startServer } from "#serving";

const [folder = ".", rowsText = "1000000"] = process.argv.slice(2);
const rowCount = Number(rowsText);

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
const lake = await Lake.open({ location: path.join(folder, "lake"), engine: database });

/** The view over one layer, as a lake has it after its first load. */
async function commitView(writer: FileWriter, file: FileRef): Promise<void> {
  const definition = "definitions/observations.json";
  await lake.store.putIfAbsent(definition, Buffer.from('{"resourceType":"ViewDefinition"}'));
  const view: ViewState = {
    hash: "observations",
    definition,
    resource: "Observation",
    title: undefined,
    description: undefined,
    columns,
    state: "ready",
    rowCount,
    layers: [{ files: [file], rows: rowCount, level: 0, replaces: [] }],
  };
  const operation = { kind: "build-views" as const, views: ["observations"] };
  await writer.commit(async () => ({ operation, views: { observations: view } }));
}

await FileWriter.during(lake, async (writer) => {
  // Sorted as a lake sorts its files, by patient and then by day.
  const file = await database.with((connection) =>
    writer.parquet(
      connection,
      "views/observations",
      `SELECT CAST(md5(i::VARCHAR) AS UUID) AS _lake_key, 'Patient/' || (i // 20) AS patient_key, 'code-' || (i % 300) AS code,
      DATE '1950-01-01' + ((i // 20) % 20000)::INTEGER AS birth_date, ((i % 7919) / 7.0)::DECIMAL(12,2)::VARCHAR AS value_text,
      ((i * 7919) % 1000003) / 7.0 AS value_number, i::BIGINT AS n, TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(i) AS "at",
      i % 2 = 0 AS flag, 'some "display", text ' || (i % 1000) AS display FROM range(${rowCount}) t(i) ORDER BY patient_key, "at"`,
    ),
  );
  await commitView(writer, file!);
  return await lake.head();
});

const copies = path.join(folder, "copies");
mkdirSync(copies);
const hot = new HotCopies({ database, folder: copies, mostBytes: 2 ** 32 });
const catalog = lakeCatalog(lake, hot);
const app = createApp({
  catalog,
  query: createQuery(
    { catalog, database, temporaryFolder: path.join(folder, "answers") },
    { sandbox: { warm: true } },
  ),
  clock: systemClock,
  hotCopies: () => hot.state(),
  log: createLogger({ level: "error" }),
});
const server = await startServer(app, { port: 0, host: "127.0.0.1" });
process.stdout.write(`${JSON.stringify({ port: server.port })}\n`);
process.once("SIGTERM", () => {
  void (async () => {
    await server.close();
    await hot.close();
    await lake.close();
    database.close();
    process.exit(0);
  })();
});
