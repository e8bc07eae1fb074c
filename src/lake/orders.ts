import { type Connection, quoteLiteral } from "#duckdb";
import type { Lake } from "./lake.js";
import { currentVersions } from "./relation.js";
import type { TableState } from "./snapshot.js";

/** 32 hex digits of a UUID as the engine writes it. */
function plainKey(uuid: string): string {
  return uuid.replaceAll("-", "");
}

/**
 * The order keys that a table holds for these resources (keys as 32 hex digits); absent where it has never held the resource.
 * Tombstones have order keys too.
 */
export async function ordersOf(
  lake: Lake,
  connection: Connection,
  table: TableState | undefined,
  keys: readonly string[],
): Promise<Map<string, string>> {
  if (table === undefined || keys.length === 0) return new Map();
  const list = keys.map((key) => `${quoteLiteral(key)}::UUID`).join(", ");
  const rows = await connection.rows<{ k: string; o: string }>(
    `SELECT _lake_key AS k, _lake_order AS o FROM (${await currentVersions(lake, table)}) WHERE _lake_key IN (${list})`,
  );
  return new Map(rows.map(({ k, o }) => [plainKey(k), o]));
}

/** The greatest order key of each file, kept because files never change. */
export type FileOrders = Map<string, string>;

/**
 * An order key that no version in the table exceeds: '' for a table without files. A version with a greater one is newer than
 * whatever the table holds of its resource. `known` is filled, so that only new files are read.
 */
export async function newestOrder(
  lake: Lake,
  connection: Connection,
  table: TableState | undefined,
  known: FileOrders,
): Promise<string> {
  let newest = "";
  for (const file of (table?.layers ?? []).flatMap((layer) => layer.files)) {
    let order = known.get(file.key);
    if (order === undefined) {
      const [path] = await lake.paths([file]);
      const [row] = await connection.rows<{ o: string | null }>(
        `SELECT max(_lake_order) AS o FROM read_parquet(${quoteLiteral(path!)}, hive_partitioning = false)`,
      );
      order = row?.o ?? "";
      known.set(file.key, order);
    }
    if (order > newest) newest = order;
  }
  return newest;
}
