import type { LakeCatalog, SnapshotReader } from "./catalog.js";
import {
  openSnapshot,
  type ReadContext,
  readOpened,
  readView,
  type StateRequest,
  type ViewQuestion,
  type ViewRead,
  type ViewRequest,
} from "./read-view.js";
import { runSql, type SqlAnswer, type SqlOptions } from "./run-sql.js";

/** Everything that may be asked of a lake. */
export interface QueryService {
  /** Checks a question to one view and binds it to a snapshot; see {@link readView}. */
  readView(request: ViewRequest): Promise<ViewRead>;
  /** The same on a state that is open already, which it takes over; see {@link readOpened}. */
  readOpened(snapshot: SnapshotReader, question: ViewQuestion): Promise<ViewRead>;
  /** Runs one SELECT over the views of the newest snapshot; see {@link runSql}. */
  runSql(sql: string, options?: SqlOptions): Promise<SqlAnswer>;
  /** Holds a state open: the snapshot of a number, or the newest one with the changes since. Release it. */
  snapshot(request?: StateRequest): Promise<SnapshotReader>;
}

/** The query service of one lake. The database stays the caller's to close. */
export function createQuery(context: ReadContext): QueryService {
  const catalog: LakeCatalog = context.catalog;
  return {
    readView: async (request) => await readView(context, request),
    runSql: async (sql, options = {}) => await runSql(catalog, sql, options),
    readOpened: async (snapshot, question) => await readOpened(context, snapshot, question),
    snapshot: async (request) => await openSnapshot(catalog, request),
  };
}
