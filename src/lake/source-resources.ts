import { type Connection, quoteLiteral } from "#duckdb";
import type { Lake } from "./lake.js";
import { currentVersions } from "./relation.js";
import type { TableState } from "./snapshot.js";
import { landingRelation } from "./table-layout.js";

/** A live resource of one source, without its content. */
export interface LiveResource {
  readonly id: string;
  /** `meta.versionId`, null when it had none. */
  readonly version: string | null;
}

/** The ids that a source has now: those in landing files, or those in a text file with one `Type/id` per line. */
export type PresentIds =
  | { readonly landing: readonly { readonly path: string; readonly maxRecordBytes: number }[] }
  | { readonly idFile: string };

/** What {@link missingResources} found. */
export interface MissingResources {
  /** Live resources of the source and type in the lake. */
  readonly live: number;
  /** Of these, the ones whose id the source has no more. */
  readonly missing: readonly LiveResource[];
}

async function liveOf(lake: Lake, table: TableState, source: string): Promise<string> {
  return `(SELECT _lake_id, _lake_version FROM (${await currentVersions(lake, table)}) WHERE NOT _lake_deleted AND _lake_source = ${quoteLiteral(source)})`;
}

function presentRelation(present: PresentIds, type: string): string {
  if ("idFile" in present) {
    const lines = `read_csv(${quoteLiteral(present.idFile)}, header = false, auto_detect = false, delim = '\\x1f', quote = '', escape = '', columns = {'line': 'VARCHAR'})`;
    const prefix = quoteLiteral(`${type}/`);
    return `(SELECT substr(line, ${type.length + 2}) AS id FROM ${lines} WHERE starts_with(line, ${prefix}))`;
  }
  if (present.landing.length === 0) return "(SELECT NULL::VARCHAR AS id WHERE false)";
  return `(SELECT id FROM ${landingRelation(present.landing)} WHERE kind = 'U')`;
}

/** Live resources of a source in the newest snapshot whose ids are not among `present`, by id. */
export async function missingResources(
  lake: Lake,
  request: { readonly source: string; readonly type: string; readonly present: PresentIds },
): Promise<MissingResources> {
  const table = (await lake.history.latest())?.tables[request.type];
  if (table === undefined) return { live: 0, missing: [] };
  const live = await liveOf(lake, table, request.source);
  return lake.database.with(async (connection: Connection) => {
    const [count] = await connection.rows<{ n: string }>(`SELECT count(*) AS n FROM ${live}`);
    const rows = await connection.rows<{ id: string; version: string | null }>(
      `SELECT _lake_id AS id, _lake_version AS version FROM ${live} l
       ANTI JOIN ${presentRelation(request.present, request.type)} p ON l._lake_id = p.id ORDER BY _lake_id`,
    );
    return {
      live: Number(count?.n ?? 0),
      missing: rows.map(({ id, version }) => ({ id, version })),
    };
  });
}

/** Live resources of a source in the newest snapshot, by type; types without any are left out. */
export async function liveCounts(lake: Lake, source: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [type, table] of Object.entries((await lake.history.latest())?.tables ?? {})) {
    const live = await liveOf(lake, table, source);
    const [row] = await lake.database.with((connection) =>
      connection.rows<{ n: string }>(`SELECT count(*) AS n FROM ${live}`),
    );
    const count = Number(row?.n ?? 0);
    if (count > 0) counts[type] = count;
  }
  return counts;
}

/** A live resource with its source text. */
export interface SampledResource extends LiveResource {
  readonly type: string;
  readonly raw: string;
}

/** Up to `size` live resources of a type and source, chosen at random. */
export async function sampleResources(
  lake: Lake,
  request: { readonly source: string; readonly type: string; readonly size: number },
): Promise<SampledResource[]> {
  const { source, type, size } = request;
  const table = (await lake.history.latest())?.tables[type];
  if (table === undefined || size === 0) return [];
  const current = await currentVersions(lake, table);
  const own = `NOT _lake_deleted AND _lake_source = ${quoteLiteral(source)}`;
  // The ids are drawn first: texts of a whole table would have to pass through the sort.
  const rows = await lake.database.with((connection) =>
    connection.rows<{ id: string; version: string | null; raw: string }>(
      `WITH chosen AS MATERIALIZED (SELECT _lake_id FROM (${current}) WHERE ${own} ORDER BY random() LIMIT ${size})
       SELECT _lake_id AS id, _lake_version AS version, raw FROM (${current}) SEMI JOIN chosen USING (_lake_id) WHERE ${own}`,
    ),
  );
  return rows.map(({ id, version, raw }) => ({ type, id, version, raw }));
}
