import { writeFile } from "node:fs/promises";
import path from "node:path";
import { type Connection, quoteLiteral } from "#duckdb";
import { type Action, encodeActions } from "./action.js";
import type { TableState } from "./table-state.js";

/** Columns of a checkpoint file (Delta transaction log protocol, "Checkpoint Schema"), as DuckDB types. */
const COLUMNS: Readonly<Record<string, string>> = {
  txn: 'STRUCT("appId" VARCHAR, "version" BIGINT, "lastUpdated" BIGINT)',
  add: 'STRUCT("path" VARCHAR, "partitionValues" MAP(VARCHAR, VARCHAR), "size" BIGINT, "modificationTime" BIGINT, "dataChange" BOOLEAN, "stats" VARCHAR, "tags" MAP(VARCHAR, VARCHAR))',
  remove:
    'STRUCT("path" VARCHAR, "deletionTimestamp" BIGINT, "dataChange" BOOLEAN, "extendedFileMetadata" BOOLEAN, "partitionValues" MAP(VARCHAR, VARCHAR), "size" BIGINT)',
  metaData:
    'STRUCT("id" VARCHAR, "name" VARCHAR, "description" VARCHAR, "format" STRUCT("provider" VARCHAR, "options" MAP(VARCHAR, VARCHAR)), "schemaString" VARCHAR, "partitionColumns" VARCHAR[], "configuration" MAP(VARCHAR, VARCHAR), "createdTime" BIGINT)',
  protocol: 'STRUCT("minReaderVersion" INTEGER, "minWriterVersion" INTEGER)',
};

/** The actions that give the table's state at once: what a checkpoint holds. Removed files older than `cutoffMs` are forgotten. */
export function checkpointActions(state: TableState, cutoffMs: number): Action[] {
  const removed = [...state.removed.values()].filter((remove) => remove.deletionTimestamp > cutoffMs);
  return [
    ...(state.protocol === undefined ? [] : [{ protocol: state.protocol }]),
    ...(state.metaData === undefined ? [] : [{ metaData: state.metaData }]),
    ...[...state.transactions.values()].map((txn) => ({ txn })),
    ...removed.map((remove) => ({ remove: { ...remove, dataChange: false } })),
    ...[...state.files.values()].map((add) => ({ add: { ...add, dataChange: false } })),
  ];
}

/** Writes actions as a checkpoint file into a staging folder and gives its path. */
export async function writeCheckpoint(
  connection: Connection,
  actions: readonly Action[],
  staging: string,
): Promise<string> {
  const text = path.join(staging, "checkpoint.ndjson");
  const file = path.join(staging, "checkpoint.parquet");
  // The engine allocates buffers of twice the longest line, so the limit follows the data.
  const longest = actions.reduce((most, action) => Math.max(most, encodeActions([action]).length), 1 << 20);
  await writeFile(text, encodeActions(actions));
  const columns = Object.entries(COLUMNS).map(([name, type]) => `${name}: ${quoteLiteral(type)}`);
  await connection.run(
    `COPY (SELECT * FROM read_json(${quoteLiteral(text)}, format = 'newline_delimited', columns = {${columns.join(", ")}}, maximum_object_size = ${longest}))
     TO ${quoteLiteral(file)} (FORMAT parquet)`,
  );
  return file;
}

/** Optional properties stand as null in the columns of a checkpoint; in an action they are absent. */
const present = (_: string, value: unknown): unknown => (value === null ? undefined : value);

/** The actions in a checkpoint file. */
export async function readCheckpoint(connection: Connection, file: string): Promise<Action[]> {
  const names = Object.keys(COLUMNS);
  const rows = await connection.rows<Record<string, string | null>>(
    `SELECT ${names.map((name) => `to_json(${name})::VARCHAR AS ${name}`).join(", ")} FROM read_parquet(${quoteLiteral(file)})`,
  );
  return rows.map((row) => {
    const entry = Object.entries(row).find(([, value]) => value !== null && value !== "null");
    return entry === undefined ? {} : { [entry[0]]: JSON.parse(entry[1]!, present) as unknown };
  });
}
