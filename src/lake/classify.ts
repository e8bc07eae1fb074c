import type { Connection } from "#duckdb";
import type { Lake } from "./lake.js";
import { currentVersions } from "./relation.js";
import type { TableState } from "./snapshot.js";

/** What the fold of incoming versions with the table's current ones comes to, in resources and versions. */
export interface Classification {
  /** Versions that become current, tombstones included; their (key, order) stand in the temporary relation `to_store`. */
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

/** Landing records to compare with each other and with what is there. */
export interface Incoming {
  /** A relation with landing columns. */
  readonly relation: string;
  /** How many it has, or more. */
  readonly rows: number;
}

/**
 * Same text (the order key ends in its hash) and same kind. A later delete that says when it happened is a new tombstone all the same:
 * it must also hide updates that lie between the two deletes and arrive last.
 */
const SAME_CONTENT = `right(w.ord, 32) = right(c._lake_order, 32) AND w.deleted = c._lake_deleted
                 AND NOT (w.deleted AND w.dated AND w.ord > c._lake_order)`;

/** Versions of the landing that lose to another of the same landing. */
interface Losers {
  readonly superseded: number;
  readonly unchanged: number;
}

/** What counts of landing records when versions are compared. */
function incoming(landing: string): string {
  return `SELECT "key"::UUID AS key, "order" AS ord, kind = 'D' AS deleted, last_updated <> '' OR version <> '' AS dated FROM ${landing}`;
}

/** Per key the version with the greatest order key. */
function winnersOf(rows: string): string {
  return `SELECT key, max(ord) AS ord, arg_max(deleted, ord) AS deleted, arg_max(dated, ord) AS dated, count(*) AS versions
     FROM (${rows}) GROUP BY key`;
}

/**
 * Makes the temporary table `winners`: per key the version with the greatest order key. The engine keeps texts that it compares in memory until
 * the last row, so that many versions are compared a part of the keys after the other; tables it can move to disk meanwhile.
 */
async function foldLanding(
  connection: Connection,
  { relation, rows }: Incoming,
  rowsAtOnce: number,
): Promise<void> {
  const parts = Math.ceil(rows / rowsAtOnce);
  if (parts <= 1) {
    await connection.run(`CREATE OR REPLACE TEMP TABLE winners AS ${winnersOf(incoming(relation))}`);
    return;
  }
  await connection.run(`CREATE OR REPLACE TEMP TABLE incoming AS ${incoming(relation)}`);
  for (let part = 0; part < parts; part++) {
    const into = part === 0 ? "CREATE OR REPLACE TEMP TABLE winners AS" : "INSERT INTO winners";
    await connection.run(`${into} ${winnersOf(`FROM incoming WHERE hash(key) % ${parts} = ${part}`)}`);
  }
  await connection.run("DROP TABLE incoming");
}

async function losersOf(connection: Connection, landing: string): Promise<Losers> {
  const same = "right(i.ord, 32) = right(w.ord, 32) AND i.deleted = w.deleted";
  const [losers] = await connection.rows<{ superseded: string; unchanged: string }>(
    `SELECT count(*) FILTER (NOT (${same})) AS superseded, count(*) FILTER (${same}) AS unchanged
     FROM (SELECT "key"::UUID AS key, "order" AS ord, kind = 'D' AS deleted FROM ${landing}) i
     JOIN (FROM winners WHERE versions > 1) w ON i.key = w.key AND i.ord <> w.ord`,
  );
  return { superseded: Number(losers?.superseded ?? 0), unchanged: Number(losers?.unchanged ?? 0) };
}

/** A SELECT of every winner with its fate against the table's current versions. */
async function fates(lake: Lake, table: TableState | undefined): Promise<string> {
  if (table === undefined)
    return "SELECT key, ord, deleted, versions, true AS is_new, false AS was_live, 'stored' AS fate FROM winners";
  const current = `SELECT _lake_key, _lake_order, _lake_deleted FROM (${await currentVersions(lake, table)}) SEMI JOIN winners ON _lake_key = winners.key`;
  return `SELECT w.key, w.ord, w.deleted, w.versions, c._lake_key IS NULL AS is_new, c._lake_key IS NOT NULL AND NOT c._lake_deleted AS was_live,
                 CASE WHEN c._lake_key IS NULL THEN 'stored' WHEN ${SAME_CONTENT} THEN 'unchanged'
                      WHEN w.ord > c._lake_order THEN 'stored' ELSE 'superseded' END AS fate
          FROM winners w LEFT JOIN (${current}) c ON w.key = c._lake_key`;
}

type Counted =
  | "repeated"
  | "stored"
  | "superseded"
  | "unchanged"
  | "live"
  | "deleted"
  | "inserted"
  | "mix"
  | "sum";

async function count(connection: Connection, fate: string): Promise<Record<Counted, string | null>> {
  const stored = "FILTER (fate = 'stored')";
  const [counts] = await connection.rows<Record<Counted, string | null>>(
    `SELECT count(*) FILTER (versions > 1) AS repeated, count(*) ${stored} AS stored, count(*) FILTER (fate = 'superseded') AS superseded,
            count(*) FILTER (fate = 'unchanged') AS unchanged, count(*) FILTER (fate = 'stored' AND deleted) AS deleted,
            count(*) FILTER (fate = 'stored' AND is_new) AS inserted,
            bit_xor(hash(key, ord, is_new, was_live)) ${stored} AS mix, sum(hash(key, ord, is_new, was_live)) ${stored} AS sum,
            count(*) FILTER (fate = 'stored' AND NOT deleted AND NOT was_live) - count(*) FILTER (fate = 'stored' AND deleted AND was_live) AS live
     FROM ${fate}`,
  );
  return counts!;
}

/**
 * Folds landing records into the table's current versions: the greatest order key per resource counts;
 * content identical to the current version is no new version (architecture: one order key).
 * Leaves the winners in the connection's temporary relation `to_store(key, ord)`.
 */
export async function classify(
  lake: Lake,
  connection: Connection,
  landing: Incoming,
  table: TableState | undefined,
): Promise<Classification> {
  await foldLanding(connection, landing, lake.foldRows);
  const select = await fates(lake, table);
  // Against an empty table every winner is stored: nothing needs to be kept beside the winners themselves.
  if (table !== undefined) await connection.run(`CREATE OR REPLACE TEMP TABLE fate AS ${select}`);
  const counts = await count(connection, table === undefined ? `(${select})` : "fate");
  const losers =
    Number(counts.repeated) === 0
      ? { superseded: 0, unchanged: 0 }
      : await losersOf(connection, landing.relation);
  const stored = table === undefined ? "winners" : "fate WHERE fate = 'stored'";
  await connection.run(`CREATE OR REPLACE TEMP VIEW to_store AS SELECT key, ord FROM ${stored}`);
  if (table !== undefined) await connection.run("DROP TABLE winners");
  return {
    stored: Number(counts.stored),
    superseded: Number(counts.superseded) + losers.superseded,
    unchanged: Number(counts.unchanged) + losers.unchanged,
    liveDelta: Number(counts.live),
    deleted: Number(counts.deleted),
    inserted: Number(counts.inserted),
    fingerprint: `${counts.stored} ${counts.mix} ${counts.sum}`,
  };
}
