import type { LakeCatalog, SnapshotReader } from "./catalog.js";
import { type KeepPolicy, KeptStates } from "./kept-states.js";
import { type ProfileOptions, profileView, type ViewProfile } from "./profile.js";
import type { ViewQuestion } from "./question/view-question.js";
import {
  openSnapshot,
  type ReadContext,
  readOpened,
  readView,
  type StateRequest,
  type ViewRead,
  type ViewRequest,
} from "./read-view.js";
import { type ResumePoint, resumeAt } from "./resume.js";
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
  /** Keeps a state for later pages, taking the reader over; see {@link KeptStates}. */
  keep(reader: SnapshotReader): void;
  /** Opens the state that a page was read in; see {@link resumeAt}. */
  resume(point: ResumePoint): Promise<SnapshotReader>;
  /** What the columns of a view hold in an open state, which stays the caller's; see {@link profileView}. */
  profile(snapshot: SnapshotReader, view: string, options: ProfileOptions): Promise<ViewProfile>;
  /** Gives back what is kept. The service can still be used. */
  close(): void;
}

/** The query service of one lake. The database stays the caller's to close. */
export function createQuery(context: ReadContext, keeping?: KeepPolicy): QueryService {
  const catalog: LakeCatalog = context.catalog;
  const kept = new KeptStates(keeping);
  return {
    readView: async (request) => await readView(context, request),
    runSql: async (sql, options = {}) => await runSql(catalog, sql, options),
    readOpened: async (snapshot, question) => await readOpened(context, snapshot, question),
    snapshot: async (request) => await openSnapshot(catalog, request),
    keep: (reader) => kept.keep(reader),
    resume: async (point) => await resumeAt(catalog, kept, point),
    profile: async (snapshot, view, options) => await profileView(context.database, snapshot, view, options),
    close: () => kept.close(),
  };
}
