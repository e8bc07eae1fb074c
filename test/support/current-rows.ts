import type { Lake } from "#lake";
import { liveResources } from "#lake";

/** `Type/id` to source text of the live resources that meet a WHERE clause over system columns. */
export async function currentRows(lake: Lake, where: string): Promise<Map<string, string>> {
  const rows = new Map<string, string>();
  for (const [type, table] of Object.entries((await lake.history.latest())?.tables ?? {})) {
    const { relation } = await liveResources(lake, type, table);
    const found = await lake.database.with((connection) =>
      connection.rows<{ id: string; raw: string }>(`SELECT _lake_id AS id, raw FROM ${relation} ${where}`),
    );
    for (const { id, raw } of found) rows.set(`${type}/${id}`, raw);
  }
  return rows;
}
