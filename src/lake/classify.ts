import type { Connection } from "#duckdb";
import type { Lake } from "./lake.js";
import { currentVersions } from "./relation.js";
import type { TableState } from "./snapshot.js";

/** What the fold of incoming versions with the table's current ones comes to, in resources and versions. */
export interface Classification {
  /** Versions that become current, tombstones included; their (key, order) stand in the temporary table `to_store`. */
  readonly stored: number;
  /** Older than, or beaten within the same landing by, another version. */
  readonly superseded: number;
  /** Same content as the current version. */
  readonly unchanged: number;
  /** Change in the number of live resources. */
  readonly liveDelta: number;
  /** Tombstones among `stored`. */
  readonly deleted: number;
  /** Of `stored`, how many have a key the table has never held. */
  readonly inserted: number;
  /** Equal for equal outcomes: which versions are stored, and which of them are new keys. */
  readonly fingerprint: string;
}

/**
 * Same text (the order key ends in its hash) and same kind. A later delete that says when it happened is a new tombstone all the same:
 * it must also hide updates that lie between the two deletes and arrive last.
 */
const SAME_CONTENT = `right(w.ord, 32) = right(c._lake_order, 32) AND w.deleted = c._lake_deleted
                 AND NOT (w.deleted AND w.dated AND w.ord > c._lake_order)`;

/**
 * Folds landing records (a relation with `key`, `kind`, `order`) into the table's current versions: the greatest order key per
 * resource counts; content identical to the current version is no new version (architecture: one order key).
 * Leaves the winners in the connection's temporary table `to_store(key, ord)`.
 */
export async function classify(
  lake: Lake,
  connection: Connection,
  landing: string,
  table: TableState | undefined,
): Promise<Classification> {
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE incoming AS SELECT "key"::UUID AS key, "order" AS ord, kind = 'D' AS deleted, last_updated <> '' OR version <> '' AS dated FROM ${landing}`,
  );
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE winners AS SELECT key, max(ord) AS ord, arg_max(deleted, ord) AS deleted, arg_max(dated, ord) AS dated, count(*) AS versions FROM incoming GROUP BY key`,
  );
  const [within] = await connection.rows<{ superseded: string; unchanged: string }>(
    `SELECT count(*) FILTER (right(i.ord, 32) <> right(w.ord, 32) OR i.deleted <> w.deleted) AS superseded,
            count(*) FILTER (right(i.ord, 32) = right(w.ord, 32) AND i.deleted = w.deleted) AS unchanged
     FROM incoming i JOIN (FROM winners WHERE versions > 1) w ON i.key = w.key AND i.ord <> w.ord`,
  );
  await connection.run("DROP TABLE incoming");
  const current =
    table === undefined
      ? "SELECT NULL::UUID AS _lake_key, NULL::VARCHAR AS _lake_order, NULL::BOOLEAN AS _lake_deleted WHERE false"
      : `SELECT _lake_key, _lake_order, _lake_deleted FROM (${await currentVersions(lake, table)}) SEMI JOIN winners ON _lake_key = winners.key`;
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE fate AS
     SELECT w.key, w.ord, w.deleted, c._lake_key IS NULL AS is_new, c._lake_key IS NOT NULL AND NOT c._lake_deleted AS was_live,
            CASE WHEN c._lake_key IS NULL THEN 'stored' WHEN ${SAME_CONTENT} THEN 'unchanged'
                 WHEN w.ord > c._lake_order THEN 'stored' ELSE 'superseded' END AS fate
     FROM winners w LEFT JOIN (${current}) c ON w.key = c._lake_key`,
  );
  const [counts] = await connection.rows<
    Record<
      "stored" | "superseded" | "unchanged" | "live" | "deleted" | "inserted" | "mix" | "sum",
      string | null
    >
  >(
    `SELECT count(*) FILTER (fate = 'stored') AS stored, count(*) FILTER (fate = 'superseded') AS superseded,
            count(*) FILTER (fate = 'unchanged') AS unchanged, count(*) FILTER (fate = 'stored' AND deleted) AS deleted,
            count(*) FILTER (fate = 'stored' AND is_new) AS inserted,
            bit_xor(hash(key, ord, is_new, was_live)) FILTER (fate = 'stored') AS mix, sum(hash(key, ord, is_new, was_live)) FILTER (fate = 'stored') AS sum,
            count(*) FILTER (fate = 'stored' AND NOT deleted AND NOT was_live) - count(*) FILTER (fate = 'stored' AND deleted AND was_live) AS live
     FROM fate`,
  );
  await connection.run(
    "CREATE OR REPLACE TEMP TABLE to_store AS SELECT key, ord FROM fate WHERE fate = 'stored'",
  );
  await connection.run("DROP TABLE fate");
  await connection.run("DROP TABLE winners");
  return {
    stored: Number(counts?.stored ?? 0),
    superseded: Number(counts?.superseded ?? 0) + Number(within?.superseded ?? 0),
    unchanged: Number(counts?.unchanged ?? 0) + Number(within?.unchanged ?? 0),
    liveDelta: Number(counts?.live ?? 0),
    deleted: Number(counts?.deleted ?? 0),
    inserted: Number(counts?.inserted ?? 0),
    fingerprint: `${counts?.stored} ${counts?.mix} ${counts?.sum}`,
  };
}
