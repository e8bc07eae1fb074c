import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { isLakeError, LakeError } from "#kernel";
import { idTaken, journalUnavailable, newerJournal } from "../errors.js";
import type { EventFilter, StoredEvent } from "../event.js";
import type { AppendOutcome, EventLog, PreparedRequest, StreamState } from "../event-log.js";
import type { OpenableEvent, SealedEvent } from "../sealed-event.js";
import { type EventRow, type SealedRow, sealedEvent, storedEvent } from "../stored-event.js";
import { appendGroup } from "./append-group.js";
import { KEEP_ALIVE, POSTGRES_LIMITS, type PostgresLimits } from "./limits.js";
import {
  APPEND_LOCK,
  CHANNEL,
  JOURNAL_VERSION,
  SCHEMA,
  SELECT_EVENTS,
  SELECT_KEYS,
  SELECT_SEALED,
} from "./schema.js";
import { trimSome } from "./trim-some.js";

const CONNECTIONS = 4;
const RELISTEN_MS = 1000;
/** SQLSTATE; only event ids can collide. */
const UNIQUE_VIOLATION = "23505";

/** Host and database without credentials. */
function shownLocation(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `postgres://${hostname}${port === "" ? "" : `:${port}`}${pathname}`;
  } catch {
    return "postgres";
  }
}

/**
 * Undoes a transaction; answers why its connection can no longer be used. One that does not answer is given up at once: the server then
 * rolls back by itself.
 */
async function rollBack(client: pg.PoolClient, reason: unknown): Promise<Error | undefined> {
  const isAnswered = isLakeError(reason) || reason instanceof pg.DatabaseError;
  if (!isAnswered) return reason as Error;
  return client.query("ROLLBACK").then(
    () => undefined,
    (failure: Error) => failure,
  );
}

/** The journal in Postgres, for several processes or machines on one lake. */
export class PostgresLog implements EventLog {
  readonly location: string;
  private readonly url: string;
  private readonly schema: string | undefined;
  private readonly lock: number;
  private readonly limits: PostgresLimits;
  private readonly pool: pg.Pool;
  private readonly listeners = new Set<() => void>();
  private listening: pg.Client | undefined;
  private closed = false;

  private constructor(url: string, schema: string | undefined, limits: PostgresLimits) {
    this.url = url;
    this.schema = schema;
    this.limits = limits;
    // Appends here have nothing to do with those of a journal in another schema.
    this.lock = schema === undefined ? APPEND_LOCK : APPEND_LOCK + 1;
    this.location = shownLocation(url);
    this.pool = new pg.Pool({
      connectionString: url,
      max: CONNECTIONS,
      connectionTimeoutMillis: limits.connectMs,
      query_timeout: limits.answerMs,
      ...KEEP_ALIVE,
      ...(schema === undefined ? {} : { options: `-c search_path=${schema}` }),
    });
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    this.pool.on("error", () => undefined);
  }

  /** Connects and makes the tables. Errors: `events/unavailable`, `events/newer-journal`. */
  static async open(url: string, schema?: string, limits = POSTGRES_LIMITS): Promise<PostgresLog> {
    if (schema !== undefined && !/^[a-z_]{1,60}$/.test(schema))
      throw new TypeError("A schema's name is lower case.");
    const log = new PostgresLog(url, schema, limits);
    try {
      await log.within((client) => log.prepare(client));
      return log;
    } catch (error) {
      await log.close();
      throw isLakeError(error) ? error : journalUnavailable("be opened", error);
    }
  }

  private async prepare(client: pg.PoolClient): Promise<void> {
    if (this.schema !== undefined) await client.query(`CREATE SCHEMA IF NOT EXISTS ${this.schema}`);
    const { rows } = await client.query<{ standing: boolean }>(
      "SELECT to_regclass('journal_head') IS NOT NULL AS standing",
    );
    if (rows[0]!.standing) {
      const format = await client.query<{ format: number }>("SELECT format FROM journal_head");
      const version = format.rows[0]?.format ?? 0;
      if (version > JOURNAL_VERSION) throw newerJournal(this.location, version, JOURNAL_VERSION);
      // Making tables again, although nothing changes, takes locks for which a reader of them, such as a backup, must end first.
      if (version === JOURNAL_VERSION) return;
    }
    await client.query(SCHEMA);
  }

  /** One transaction under the append lock, which ends by itself, on the server too, when one of its steps takes too long. */
  private async within<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    // The query under way fails by itself; without a listener a lost connection would end the process as well.
    const lost = (): void => undefined;
    client.on("error", lost);
    try {
      const { silentMs, lockMs } = this.limits;
      await client.query(
        `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${silentMs}; SET LOCAL lock_timeout = ${lockMs}`,
      );
      await client.query("SELECT pg_advisory_xact_lock($1)", [this.lock]);
      const result = await work(client);
      await client.query("COMMIT");
      return result;
    } catch (error) {
      broken = await rollBack(client, error);
      throw error;
    } finally {
      client.off("error", lost);
      client.release(broken);
    }
  }

  private async attempt<T>(action: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: string }).code === UNIQUE_VIOLATION) throw idTaken(error);
      throw isLakeError(error) ? error : journalUnavailable(action, error);
    }
  }

  async appendGroup(requests: readonly PreparedRequest[]): Promise<AppendOutcome[]> {
    return this.attempt("be written", () =>
      this.within(async (client) => {
        const outcomes = await appendGroup(client, requests);
        await client.query(`NOTIFY ${CHANNEL}`);
        return outcomes;
      }),
    );
  }

  async readAll(after: number, limit: number, filter: EventFilter): Promise<StoredEvent[]> {
    const rows = await this.rowsAfter<EventRow>(SELECT_EVENTS, { after, limit, filter });
    return rows.map(storedEvent);
  }

  async readSealed(after: number, limit: number, filter: EventFilter): Promise<SealedEvent[]> {
    const rows = await this.rowsAfter<SealedRow>(SELECT_SEALED, { after, limit, filter });
    return rows.map(sealedEvent);
  }

  private rowsAfter<R extends SealedRow>(
    select: string,
    { after, limit, filter }: { after: number; limit: number; filter: EventFilter },
  ): Promise<R[]> {
    const conditions = ["e.position > $1"];
    const values: unknown[] = [after, limit];
    if (filter.streamPrefix !== undefined) {
      conditions.push(`starts_with(e.stream, $${values.push(filter.streamPrefix)})`);
    }
    if (filter.types !== undefined) conditions.push(`e.type = ANY($${values.push([...filter.types])})`);
    return this.rows<R>(`${select} WHERE ${conditions.join(" AND ")} ORDER BY e.position LIMIT $2`, values);
  }

  async lookUp(positions: readonly number[]): Promise<OpenableEvent[]> {
    const rows = await this.rows<{ position: string; id: string; key: Buffer | null }>(
      `${SELECT_KEYS} WHERE e.position = ANY($1::bigint[])`,
      [[...positions]],
    );
    return rows.map(({ position, id, key }) => ({ position: Number(position), id, key: key ?? undefined }));
  }

  async readStream(stream: string, fromVersion: number, limit: number): Promise<StoredEvent[]> {
    const rows = await this.rows<EventRow>(
      `${SELECT_EVENTS} WHERE e.stream = $1 AND e.version >= $2 ORDER BY e.version LIMIT $3`,
      [stream, fromVersion, limit],
    );
    return rows.map(storedEvent);
  }

  private rows<R extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<R[]> {
    const page = { text, values, query_timeout: this.limits.pageMs };
    return this.attempt("be read", async () => (await this.pool.query<R>(page)).rows);
  }

  /** The first column of the first row as a number; 0 when there is no row or it is null. */
  private number(text: string, values: unknown[] = []): Promise<number> {
    return this.attempt("be read", async () => {
      const { rows } = await this.pool.query<{ n: string | null }>(text, values);
      return Number(rows[0]?.n ?? 0);
    });
  }

  streamVersion(stream: string): Promise<number> {
    return this.number("SELECT version AS n FROM streams WHERE stream = $1", [stream]);
  }

  streams(prefix: string): Promise<StreamState[]> {
    return this.attempt("be read", async () => {
      const { rows } = await this.pool.query<{ stream: string; version: string }>(
        'SELECT stream, version FROM streams WHERE starts_with(stream, $1) ORDER BY stream COLLATE "C"',
        [prefix],
      );
      return rows.map(({ stream, version }) => ({ stream, version: Number(version) }));
    });
  }

  head(): Promise<number> {
    return this.number("SELECT position AS n FROM journal_head");
  }

  checkpoint(name: string): Promise<number> {
    return this.number("SELECT position AS n FROM checkpoints WHERE name = $1", [name]);
  }

  async saveCheckpoint(name: string, position: number): Promise<void> {
    await this.attempt("be written", () =>
      this.pool.query(
        "INSERT INTO checkpoints VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET position = greatest(checkpoints.position, excluded.position)",
        [name, position],
      ),
    );
  }

  trimSome(streamPrefix: string, upTo: number, limit: number): Promise<number> {
    return this.attempt("be trimmed", () =>
      this.within((client) => trimSome(client, { streamPrefix, upTo, limit })),
    );
  }

  trimmedTo(streamPrefix: string): Promise<number> {
    return this.number(
      "SELECT max(position) AS n FROM trims WHERE starts_with(stream_prefix, $1) OR starts_with($1, stream_prefix)",
      [streamPrefix],
    );
  }

  shred(subjects: readonly string[]): Promise<number> {
    return this.attempt("destroy keys", async () => {
      const { rowCount } = await this.pool.query("DELETE FROM subject_keys WHERE subject = ANY($1)", [
        [...subjects],
      ]);
      // The rows' old versions hold the keys until they are vacuumed.
      const vacuum = { text: "VACUUM subject_keys", query_timeout: this.limits.vacuumMs };
      await this.pool.query(vacuum);
      return rowCount ?? 0;
    });
  }

  /** Postgres is backed up by its own tools. */
  copyTo(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  onHint(listener: () => void): () => void {
    this.listeners.add(listener);
    if (this.listening === undefined) this.listen();
    return () => this.listeners.delete(listener);
  }

  /** Listens for announcements on a connection of its own, again and again while the journal is open. */
  private listen(): void {
    const { connectMs, answerMs } = this.limits;
    const client = new pg.Client({
      connectionString: this.url,
      connectionTimeoutMillis: connectMs,
      query_timeout: answerMs,
      ...KEEP_ALIVE,
    });
    this.listening = client;
    const again = (): void => {
      if (this.closed || this.listening !== client) return;
      client.end().catch(() => undefined);
      this.listening = undefined;
      setTimeout(() => {
        if (!this.closed && this.listening === undefined) this.listen();
      }, RELISTEN_MS).unref();
    };
    client.on("notification", () => {
      for (const listener of this.listeners) listener();
    });
    client.on("error", again);
    client
      .connect()
      .then(() => client.query(`LISTEN ${CHANNEL}`))
      .catch(again);
  }

  async close(): Promise<void> {
    this.closed = true;
    const ended = Promise.allSettled([this.listening?.end(), this.pool.end()]);
    // A server that cannot be reached does not say goodbye.
    await Promise.race([ended, sleep(this.limits.closeMs, undefined, { ref: false })]);
  }
}

/** Refuses what is no Postgres address before anything connects. Errors: `events/bad-database-url`. */
export function checkDatabaseUrl(url: string): string {
  if (/^postgres(ql)?:\/\//.test(url)) return url;
  throw new LakeError(
    "invalid-input",
    "events/bad-database-url",
    "DATABASE_URL must be a Postgres address such as postgres://user@host:5432/database.",
  );
}
