import type { LakeCatalog, SnapshotReader } from "./catalog.js";
import { openSnapshot, type ReadContext, readView, type ViewRead, type ViewRequest } from "./read-view.js";
import { runSql, type SqlAnswer, type SqlOptions } from "./run-sql.js";

/** Everything that may be asked of a lake. */
export interface QueryService {
  /** Checks a question to one view and binds it to a snapshot; see {@link readView}. */
  readView(request: ViewRequest): Promise<ViewRead>;
  /** Runs one SELECT over the views of the newest snapshot; see {@link runSql}. */
  runSql(sql: string, options?: SqlOptions): Promise<SqlAnswer>;
  /** Holds a snapshot open, the newest without a number. Release it. */
  snapshot(id?: number): Promise<SnapshotReader>;
}

/** The query service of one lake. The database stays the caller's to close. */
export function createQuery(context: ReadContext): QueryService {
  const catalog: LakeCatalog = context.catalog;
  return {
    readView: async (request) => await readView(context, request),
    runSql: async (sql, options = {}) => await runSql(catalog, sql, options),
    snapshot: async (id) => await openSnapshot(catalog, id),
  };
}
