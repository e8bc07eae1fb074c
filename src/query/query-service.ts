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
import { runSql, type SqlAnswer, type SqlQuestion } from "./run-sql.js";
import { Sandbox, type SandboxOptions } from "./sql/sandbox.js";

/** Everything that may be asked of a lake. */
export interface QueryService {
  /** Checks a question to one view and binds it to a snapshot; see {@link readView}. */
  readView(request: ViewRequest): Promise<ViewRead>;
  /** The same on a state that is open already, which it takes over; see {@link readOpened}. */
  readOpened(snapshot: SnapshotReader, question: ViewQuestion): Promise<ViewRead>;
  /** Runs one SELECT over the views of a state that is open already, which it takes over; see {@link runSql}. */
  runSql(snapshot: SnapshotReader, question: SqlQuestion): Promise<SqlAnswer>;
  /** Holds a state open: the snapshot of a number, or the newest one with the changes since. Release it. */
  snapshot(request?: StateRequest): Promise<SnapshotReader>;
  /** Keeps a state for later pages, taking the reader over; see {@link KeptStates}. */
  keep(reader: SnapshotReader): void;
  /** Opens the state that a page was read in; see {@link resumeAt}. */
  resume(point: ResumePoint): Promise<SnapshotReader>;
  /** What the columns of a view hold in an open state, which stays the caller's; see {@link profileView}. */
  profile(snapshot: SnapshotReader, view: string, options: ProfileOptions): Promise<ViewProfile>;
  /** Ends the processes that SQL ran in and that may still hold something of what it read; a statement under way comes to its end. */
  forget(): Promise<void>;
  /** Gives back what is kept and ends the SQL that runs; no more SQL is taken. */
  close(): Promise<void>;
}

/** How a query service works. */
export interface QueryServiceOptions {
  /** States that are kept between pages. */
  readonly keeping?: KeepPolicy;
  readonly sandbox?: SandboxOptions;
}

/** The query service of one lake. The database stays the caller's to close. */
export function createQuery(context: ReadContext, options: QueryServiceOptions = {}): QueryService {
  const catalog: LakeCatalog = context.catalog;
  const kept = new KeptStates(options.keeping);
  const sandbox = new Sandbox(context.temporaryFolder, options.sandbox);
  return {
    readView: async (request) => await readView(context, request),
    runSql: async (snapshot, question) => await runSql(sandbox, snapshot, question),
    readOpened: async (snapshot, question) => await readOpened(context, snapshot, question),
    snapshot: async (request) => await openSnapshot(catalog, request),
    keep: (reader) => kept.keep(reader),
    resume: async (point) => await resumeAt(catalog, kept, point),
    profile: async (snapshot, view, options) => await profileView(context.database, snapshot, view, options),
    forget: async () => await sandbox.forget(),
    close: async () => {
      kept.close();
      await sandbox.close();
    },
  };
}
