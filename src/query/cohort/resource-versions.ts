import { type Lake, liveResources } from "#lake";

/** A version of a resource in some snapshot. */
export interface ResourceVersion {
  /** `<source>/<Type>/<id>` */
  readonly resource: string;
  /** `meta.versionId`; null when the source gives none. */
  readonly version: string | null;
  /** ISO instant of `meta.lastUpdated`; null when the source gives none. */
  readonly lastUpdated: string | null;
}

/** The live versions of resources of one type in a snapshot, by hidden key (`_lake_key` as text). Those that are not there are left out. */
export type ResourceVersions = (
  snapshot: number,
  type: string,
  keys: readonly string[],
) => Promise<ReadonlyMap<string, ResourceVersion>>;

/** Versions as a lake's tables have them. */
export function lakeVersions(lake: Lake): ResourceVersions {
  return async (id, type, keys) => {
    const table = (await lake.history.at(id)).tables[type];
    if (table === undefined || keys.length === 0) return new Map();
    const rows = await lake.reading(async () => {
      const { relation } = await liveResources(lake, type, table);
      return await lake.database.with((connection) =>
        connection.rows<{ k: string; resource: string; version: string | null; updated: string | null }>(
          `SELECT _lake_key::VARCHAR AS k, _lake_source || '/' || $2::VARCHAR || '/' || _lake_id AS resource, _lake_version AS version,
  replace(make_timestamp(epoch_us(_lake_last_updated))::VARCHAR, ' ', 'T') || 'Z' AS updated
FROM ${relation} WHERE _lake_key IN (SELECT unnest(from_json($1, '["UUID"]')))`,
          [JSON.stringify(keys), type],
        ),
      );
    });
    return new Map(
      rows.map(({ k, resource, version, updated }) => [k, { resource, version, lastUpdated: updated }]),
    );
  };
}
