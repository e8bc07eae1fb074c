import { quoteLiteral } from "#duckdb";
import type { Lake } from "./lake.js";
import { currentVersions } from "./relation.js";
import type { TableState } from "./snapshot.js";

async function liveOf(lake: Lake, table: TableState, source: string): Promise<string> {
  return `(SELECT _lake_id FROM (${await currentVersions(lake, table)}) WHERE NOT _lake_deleted AND _lake_source = ${quoteLiteral(source)})`;
}

/** Live resources of a source in the newest snapshot, by type; types without any are left out. */
export async function liveCounts(lake: Lake, source: string): Promise<Record<string, number>> {
  const head = await lake.history.latest();
  const counts: Record<string, number> = {};
  // The snapshot has the counts; they need to be taken apart only where sources share tables.
  const alone = Object.keys(head?.sources ?? {}).every((name) => name === source);
  for (const [type, table] of Object.entries(head?.tables ?? {})) {
    const count = alone ? table.resourceCount : await countOf(lake, table, source);
    if (count > 0) counts[type] = count;
  }
  return counts;
}

async function countOf(lake: Lake, table: TableState, source: string): Promise<number> {
  const [row] = await lake.reading(async () => {
    const live = await liveOf(lake, table, source);
    return await lake.database.with((connection) =>
      connection.rows<{ n: string }>(`SELECT count(*) AS n FROM ${live}`),
    );
  });
  return Number(row?.n ?? 0);
}

/** A live resource with its source text. */
export interface SampledResource {
  readonly type: string;
  readonly id: string;
  readonly raw: string;
}

/** Which resources to choose. */
export interface SampleRequest {
  readonly source: string;
  readonly type: string;
  readonly size: number;
  /** Equal seeds choose equal resources of equal tables; any others when absent. */
  readonly seed?: string | undefined;
}

/** Up to `size` live resources of a type and source, chosen at random. */
export function sampleResources(lake: Lake, request: SampleRequest): Promise<SampledResource[]> {
  return lake.reading(() => sampled(lake, request));
}

async function sampled(lake: Lake, request: SampleRequest): Promise<SampledResource[]> {
  const { source, type, size, seed } = request;
  const table = (await lake.history.latest())?.tables[type];
  if (table === undefined || size === 0) return [];
  const current = await currentVersions(lake, table);
  const own = `NOT _lake_deleted AND _lake_source = ${quoteLiteral(source)}`;
  const draw = seed === undefined ? "random()" : `md5(_lake_id || ${quoteLiteral(seed)})`;
  return lake.database.with(async (connection) => {
    const chosen = await connection.rows<{ key: string }>(
      `SELECT _lake_key AS key FROM (${current}) WHERE ${own} ORDER BY ${draw} LIMIT ${size}`,
    );
    if (chosen.length === 0) return [];
    // By value and not by a join: so the scan reads the texts of few row groups instead of all.
    const keys = chosen.map(({ key }) => `${quoteLiteral(key)}::UUID`).join(", ");
    const rows = await connection.rows<{ id: string; raw: string }>(
      `SELECT _lake_id AS id, raw FROM (${current}) WHERE _lake_key IN (${keys}) AND NOT _lake_deleted`,
    );
    return rows.map(({ id, raw }) => ({ type, id, raw }));
  });
}
