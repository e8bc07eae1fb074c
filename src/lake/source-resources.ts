import { quoteLiteral } from "#duckdb";
import type { Lake } from "./lake.js";
import { currentVersions } from "./relation.js";
import type { TableState } from "./snapshot.js";

async function liveOf(lake: Lake, table: TableState, source: string): Promise<string> {
  return `(SELECT _lake_id FROM (${await currentVersions(lake, table)}) WHERE NOT _lake_deleted AND _lake_source = ${quoteLiteral(source)})`;
}

/** Live resources of a source in the newest snapshot, by type; types without any are left out. */
export async function liveCounts(lake: Lake, source: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [type, table] of Object.entries((await lake.history.latest())?.tables ?? {})) {
    const [row] = await lake.reading(async () => {
      const live = await liveOf(lake, table, source);
      return await lake.database.with((connection) =>
        connection.rows<{ n: string }>(`SELECT count(*) AS n FROM ${live}`),
      );
    });
    const count = Number(row?.n ?? 0);
    if (count > 0) counts[type] = count;
  }
  return counts;
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
  // The ids are drawn first: texts of a whole table would have to pass through the sort.
  const rows = await lake.database.with((connection) =>
    connection.rows<{ id: string; raw: string }>(
      `WITH chosen AS MATERIALIZED (SELECT _lake_id FROM (${current}) WHERE ${own} ORDER BY ${draw} LIMIT ${size})
       SELECT _lake_id AS id, raw FROM (${current}) SEMI JOIN chosen USING (_lake_id) WHERE ${own}`,
    ),
  );
  return rows.map(({ id, raw }) => ({ type, id, raw }));
}
