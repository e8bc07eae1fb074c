import type { Clock } from "#kernel";
import { EventStore } from "./event-store.js";
import { checkDatabaseUrl, PostgresLog } from "./postgres/postgres-log.js";
import { SqliteLog } from "./sqlite/sqlite-log.js";

/** Where the journal is: in Postgres when a URL is given, else in a file of its own. */
export interface EventStoreOptions {
  /** The SQLite file; made when missing. */
  readonly file: string;
  readonly databaseUrl?: string | undefined;
  readonly clock?: Clock;
}

/** Opens the journal. Errors: `events/unavailable`, `events/newer-journal`, `events/bad-database-url`. */
export async function openEventStore(options: EventStoreOptions): Promise<EventStore> {
  const log =
    options.databaseUrl === undefined
      ? await SqliteLog.open(options.file)
      : await PostgresLog.open(checkDatabaseUrl(options.databaseUrl));
  return new EventStore(log, options.clock);
}
