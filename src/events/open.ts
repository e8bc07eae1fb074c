import type { Clock } from "#kernel";
import { EventStore } from "./event-store.js";
import { checkDatabaseUrl, PostgresLog } from "./postgres/postgres-log.js";
import { SqliteLog } from "./sqlite/sqlite-log.js";

/** Where the journal is: in Postgres when a URL is given, else in a file of its own. */
export interface EventStoreOptions {
  /** The SQLite file; made when missing. */
  readonly file: string;
  readonly databaseUrl?: string | undefined;
  /** Schema of the database that it stands in, made when missing; the one that the connection has when absent. */
  readonly schema?: string;
  readonly clock?: Clock;
  /** False runs SQLite on the caller's thread, which waits for the disk then: for short-lived use only. Default true. */
  readonly thread?: boolean;
}

/** Opens the journal. Errors: `events/unavailable`, `events/newer-journal`, `events/bad-database-url`. */
export async function openEventStore(options: EventStoreOptions): Promise<EventStore> {
  const log =
    options.databaseUrl === undefined
      ? await SqliteLog.open(options.file, options.thread)
      : await PostgresLog.open(checkDatabaseUrl(options.databaseUrl), options.schema);
  return new EventStore(log, options.clock);
}
