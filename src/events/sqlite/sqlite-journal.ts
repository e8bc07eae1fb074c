import { DatabaseSync, type StatementSyncInstance } from "@photostructure/sqlite";
import { idTaken, journalUnavailable, newerJournal } from "../errors.js";
import type { EventFilter, StoredEvent } from "../event.js";
import type { AppendOutcome, PreparedEvent, PreparedRequest, StreamState } from "../event-log.js";
import { newSubjectKey, seal } from "../payload-cipher.js";
import type { OpenableEvent, SealedEvent } from "../sealed-event.js";
import { type EventRow, type SealedRow, sealedEvent, storedEvent } from "../stored-event.js";
import { FROM_1_TO_2, JOURNAL_VERSION, SCHEMA, SELECT_EVENTS, SELECT_KEYS, SELECT_SEALED } from "./schema.js";

const BUSY_TIMEOUT_MS = 30_000;
/** Longer write-ahead logs are folded back by the writer that notices. Pages of 4 KiB. */
const CHECKPOINT_PAGES = 16_000;
/** For the inner pages of the indexes, and what was just written and is read next. */
const CACHE_KIB = 32 * 1024;

interface Statements {
  readonly byId: StatementSyncInstance;
  readonly streamVersion: StatementSyncInstance;
  readonly setStreamVersion: StatementSyncInstance;
  readonly insert: StatementSyncInstance;
  readonly head: StatementSyncInstance;
  readonly setHead: StatementSyncInstance;
  readonly key: StatementSyncInstance;
  readonly setKey: StatementSyncInstance;
  readonly setTrim: StatementSyncInstance;
  readonly lastOfOldest: StatementSyncInstance;
  readonly removeTo: StatementSyncInstance;
  readonly removeUnusedKey: StatementSyncInstance;
}

function prepare(db: InstanceType<typeof DatabaseSync>): Statements {
  return {
    byId: db.prepare("SELECT position, stream, version FROM events WHERE id = ?"),
    streamVersion: db.prepare("SELECT version FROM streams WHERE stream = ?"),
    setStreamVersion: db.prepare(
      "INSERT INTO streams VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET version = excluded.version",
    ),
    insert: db.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    head: db.prepare("SELECT position FROM journal_head"),
    setHead: db.prepare("UPDATE journal_head SET position = ?"),
    key: db.prepare("SELECT key FROM subject_keys WHERE subject = ?"),
    setKey: db.prepare("INSERT INTO subject_keys VALUES (?, ?, ?)"),
    setTrim: db.prepare(
      "INSERT INTO trims VALUES (?, ?) ON CONFLICT (stream_prefix) DO UPDATE SET position = max(position, excluded.position)",
    ),
    // Answered by the index of streams and versions alone, which holds the positions, too.
    lastOfOldest: db.prepare(
      "SELECT max(version) AS version FROM (SELECT version FROM events WHERE stream = ? AND position <= ? ORDER BY version LIMIT ?)",
    ),
    removeTo: db.prepare("DELETE FROM events WHERE stream = ? AND version <= ? RETURNING subject"),
    removeUnusedKey: db.prepare(
      "DELETE FROM subject_keys WHERE subject = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE subject = ?1)",
    ),
  };
}

/**
 * The journal in one SQLite file: write-ahead log, fsync at every commit, other processes may read and append too.
 * All methods block; the process that serves runs them in a thread of their own.
 */
export class SqliteJournal {
  private readonly db: InstanceType<typeof DatabaseSync>;
  private readonly statements: Statements;

  /** Opens or creates the file; what others are at work in is waited for so long. Errors: `events/newer-journal`. */
  constructor(file: string, busyTimeoutMs = BUSY_TIMEOUT_MS) {
    this.db = new DatabaseSync(file, { timeout: busyTimeoutMs });
    try {
      this.db.exec("PRAGMA journal_mode = WAL");
      this.db.exec("PRAGMA synchronous = FULL");
      this.db.exec("PRAGMA secure_delete = ON");
      this.db.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
      this.db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      this.within(() => this.migrate(file));
      this.statements = prepare(this.db);
    } catch (error) {
      this.db.close();
      throw error;
    }
  }

  private migrate(file: string): void {
    const { user_version: version } = this.db.prepare("PRAGMA user_version").get() as {
      user_version: number;
    };
    if (version > JOURNAL_VERSION) throw newerJournal(file, version, JOURNAL_VERSION);
    if (version === JOURNAL_VERSION) return;
    this.db.exec(version === 1 ? FROM_1_TO_2 : SCHEMA);
    this.db.exec(`PRAGMA user_version = ${JOURNAL_VERSION}`);
  }

  /** One write transaction: the lock is taken at its begin, so that positions are given in commit order. */
  private within<T>(work: () => T): T {
    this.db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.db.isTransaction) this.db.exec("ROLLBACK");
      throw error;
    }
  }

  appendGroup(requests: readonly PreparedRequest[]): AppendOutcome[] {
    try {
      return this.within(() => {
        const start = (this.statements.head.get() as { position: number }).position;
        const place = { position: start };
        const outcomes = requests.map((request) => this.append(request, place));
        if (place.position > start) this.statements.setHead.run(place.position);
        return outcomes;
      });
    } catch (error) {
      // Only event ids can collide: streams and positions are counted under the lock.
      if ((error as { sqliteCodeName?: string }).sqliteCodeName === "SQLITE_CONSTRAINT") throw idTaken(error);
      throw error;
    }
  }

  private append(request: PreparedRequest, place: { position: number }): AppendOutcome {
    const actual = this.streamVersion(request.stream);
    const repeated = this.repeated(request);
    if (repeated !== undefined) return repeated;
    if (request.expected !== "any" && request.expected !== actual) {
      return { ok: false, expected: request.expected, actual };
    }
    let version = actual;
    for (const event of request.events) this.insert(request.stream, ++version, ++place.position, event);
    this.statements.setStreamVersion.run(request.stream, version);
    return { ok: true, result: { position: place.position, version, repeated: false } };
  }

  /** The earlier result when the last event of a request stands in the journal already. */
  private repeated({ stream, events }: PreparedRequest): AppendOutcome | undefined {
    const known = this.statements.byId.get(events.at(-1)!.id) as
      | { position: number; stream: string; version: number }
      | undefined;
    if (known === undefined) return undefined;
    if (known.stream !== stream) {
      throw idTaken();
    }
    return { ok: true, result: { position: known.position, version: known.version, repeated: true } };
  }

  private insert(stream: string, version: number, position: number, event: PreparedEvent): void {
    const { id, type, data, payload, subject, occurredAt } = event;
    const sealed = payload === undefined ? null : seal(this.keyOf(subject!, position), payload, id);
    this.statements.insert.run(
      position,
      stream,
      version,
      id,
      type,
      data,
      sealed,
      subject ?? null,
      occurredAt,
    );
  }

  private keyOf(subject: string, position: number): Uint8Array {
    const known = this.statements.key.get(subject) as { key: Uint8Array } | undefined;
    if (known !== undefined) return known.key;
    const key = newSubjectKey();
    this.statements.setKey.run(subject, key, position);
    return key;
  }

  readAll(after: number, limit: number, filter: EventFilter): StoredEvent[] {
    return this.rowsAfter<EventRow>(SELECT_EVENTS, { after, limit, filter }).map(storedEvent);
  }

  readSealed(after: number, limit: number, filter: EventFilter): SealedEvent[] {
    return this.rowsAfter<SealedRow>(SELECT_SEALED, { after, limit, filter }).map(sealedEvent);
  }

  private rowsAfter<R>(
    select: string,
    { after, limit, filter }: { after: number; limit: number; filter: EventFilter },
  ): R[] {
    const conditions = ["e.position > ?"];
    const values: (string | number)[] = [after];
    if (filter.streamPrefix !== undefined) {
      conditions.push("substr(e.stream, 1, ?) = ?");
      values.push([...filter.streamPrefix].length, filter.streamPrefix);
    }
    if (filter.types !== undefined) {
      conditions.push(`e.type IN (${filter.types.map(() => "?").join(", ")})`);
      values.push(...filter.types);
    }
    const text = `${select} WHERE ${conditions.join(" AND ")} ORDER BY e.position LIMIT ?`;
    return this.db.prepare(text).all(...values, limit) as unknown as R[];
  }

  lookUp(positions: readonly number[]): OpenableEvent[] {
    const rows = this.db
      .prepare(`${SELECT_KEYS} WHERE e.position IN (SELECT value FROM json_each(?))`)
      .all(JSON.stringify(positions)) as unknown as {
      position: number;
      id: string;
      key: Uint8Array | null;
    }[];
    return rows.map(({ position, id, key }) => ({ position, id, key: key ?? undefined }));
  }

  readStream(stream: string, fromVersion: number, limit: number): StoredEvent[] {
    const text = `${SELECT_EVENTS} WHERE e.stream = ? AND e.version >= ? ORDER BY e.version LIMIT ?`;
    return (this.db.prepare(text).all(stream, fromVersion, limit) as unknown as EventRow[]).map(storedEvent);
  }

  streamVersion(stream: string): number {
    return (this.statements.streamVersion.get(stream) as { version: number } | undefined)?.version ?? 0;
  }

  streams(prefix: string): StreamState[] {
    return this.db
      .prepare("SELECT stream, version FROM streams WHERE substr(stream, 1, ?) = ? ORDER BY stream")
      .all([...prefix].length, prefix) as unknown as StreamState[];
  }

  head(): number {
    return (this.statements.head.get() as { position: number }).position;
  }

  checkpoint(name: string): number {
    const row = this.db.prepare("SELECT position FROM checkpoints WHERE name = ?").get(name) as
      | { position: number }
      | undefined;
    return row?.position ?? 0;
  }

  saveCheckpoint(name: string, position: number): void {
    this.db
      .prepare(
        "INSERT INTO checkpoints VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = max(position, excluded.position)",
      )
      .run(name, position);
  }

  trimSome(streamPrefix: string, upTo: number, limit: number): number {
    return this.within(() => {
      this.statements.setTrim.run(streamPrefix, upTo);
      let removed = 0;
      for (const { stream } of this.streams(streamPrefix)) {
        removed += this.removeOldest(stream, upTo, limit - removed);
        if (removed >= limit) break;
      }
      return removed;
    });
  }

  private removeOldest(stream: string, upTo: number, limit: number): number {
    const last = this.statements.lastOfOldest.get(stream, upTo, limit) as { version: number | null };
    if (last.version === null) return 0;
    const rows = this.removeTo(stream, last.version);
    for (const subject of new Set(rows.map((row) => row.subject))) {
      if (subject !== null) this.statements.removeUnusedKey.run(subject);
    }
    return rows.length;
  }

  /** Without zeroing the pages that become free, a third of what is written: payloads are encrypted there and `data` names nobody, only keys must go from the file. */
  private removeTo(stream: string, version: number): readonly { readonly subject: string | null }[] {
    this.db.exec("PRAGMA secure_delete = FAST");
    try {
      return this.statements.removeTo.all(stream, version) as unknown as { subject: string | null }[];
    } finally {
      this.db.exec("PRAGMA secure_delete = ON");
    }
  }

  trimmedTo(streamPrefix: string): number {
    const row = this.db
      .prepare(
        "SELECT max(position) AS position FROM trims WHERE substr(stream_prefix, 1, length(?1)) = ?1 OR substr(?1, 1, length(stream_prefix)) = stream_prefix",
      )
      .get(streamPrefix) as { position: number | null };
    return row.position ?? 0;
  }

  shred(subjects: readonly string[]): number {
    const destroyed = this.within(() => {
      const statement = this.db.prepare("DELETE FROM subject_keys WHERE subject = ?");
      return subjects.reduce(
        (sum, subject) => sum + Number((statement.run(subject) as { changes: number | bigint }).changes),
        0,
      );
    });
    // Pages of the write-ahead log still hold the keys until it is folded back and cut to nothing, which a reader at work prevents.
    const { busy } = this.db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
    if (busy !== 0)
      throw journalUnavailable("be cleared of the destroyed keys, which another process is still reading");
    return destroyed;
  }

  copyTo(file: string): string {
    this.db.prepare("VACUUM INTO ?").run(file);
    return file;
  }

  close(): void {
    this.db.close();
  }
}
