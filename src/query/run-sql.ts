import type { SqlParameter } from "#duckdb";
import { isLakeError, LakeError } from "#kernel";
import type { ReadState, SnapshotReader, SnapshotView } from "./catalog.js";
import { requireReady } from "./errors.js";
import type { ResultFormat } from "./format.js";
import { stateOf } from "./read-view.js";
import type { EncodedResult, EncodeOptions } from "./result.js";
import { encodeThere, textsThere } from "./sql/answer-bytes.js";
import { cancelled, tooLong } from "./sql/failure.js";
import type { Prepared, SealedView } from "./sql/protocol.js";
import type { EnterOptions, Sandbox, SandboxTurn } from "./sql/sandbox.js";

/** What is asked in SQL, and how far the answer may go. */
export interface SqlQuestion extends EnterOptions {
  /** One SELECT; its parameters are written `$name`. */
  readonly sql: string;
  /** A value for each parameter; upper and lower case are the same. */
  readonly parameters?: Readonly<Record<string, SqlParameter>>;
  /** At most so many rows; all when absent. */
  readonly limit?: number;
}

/** An answer to SQL that is ready to run. Call `close` when done with it. */
export interface SqlAnswer extends Prepared {
  /** The state that its views are read at. */
  readonly state: ReadState;
  /** Names of the views that it reads. */
  readonly views: readonly string[];
  encode(format: ResultFormat, options?: EncodeOptions): Promise<EncodedResult>;
  /** The rows as text for people, null for NULL; all in memory. */
  texts(options?: EncodeOptions): Promise<(string | null)[][]>;
  /** Ends the statement and gives the state back; does nothing the second time. */
  close(): void;
}

const MAX_SQL_CHARACTERS = 100_000;

function checkText(sql: string): void {
  if (sql.length <= MAX_SQL_CHARACTERS && !sql.includes("\0")) return;
  throw new LakeError(
    "invalid-input",
    "query/sql-refused",
    `The SQL is longer than ${MAX_SQL_CHARACTERS} characters or holds NUL.`,
  );
}

async function sealed(view: SnapshotView, folder: string, signal: AbortSignal): Promise<SealedView> {
  const relation = await (view.sealed === undefined ? view.relation() : view.sealed(folder, { signal }));
  return { name: view.name, columns: view.columns.map(({ name }) => name), relation };
}

/** The views as the process may read them. Writing what a policy leaves of them is part of the statement, and ends with it. */
async function sealedViews(
  views: readonly SnapshotView[],
  folder: string,
  { signal, deadlineMs }: SqlQuestion,
): Promise<SealedView[]> {
  const late = deadlineMs === undefined ? [] : [AbortSignal.timeout(deadlineMs)];
  const ending = AbortSignal.any([...(signal === undefined ? [] : [signal]), ...late]);
  try {
    return await Promise.all(views.map((view) => sealed(view, folder, ending)));
  } catch (error) {
    if (!isLakeError(error, "duckdb/interrupted") || !ending.aborted) throw error;
    throw signal?.aborted === true ? cancelled() : tooLong(deadlineMs ?? 0);
  }
}

/** The views of the snapshot that the statement needs: what the process asks for beyond them it does not get. */
function needed(snapshot: SnapshotReader, names: readonly string[]): SnapshotView[] {
  const views = [...snapshot.views.values()].filter(({ name }) => names.includes(name.toLowerCase()));
  for (const view of views) requireReady(view);
  return views;
}

interface Running {
  readonly prepared: Prepared;
  readonly views: readonly string[];
}

async function prepare(turn: SandboxTurn, snapshot: SnapshotReader, question: SqlQuestion): Promise<Running> {
  const { process, folder, memoryLimitBytes, threads } = turn;
  const { sql, parameters = {}, limit } = question;
  const needs = await process.ask(
    {
      type: "prepare",
      statement: {
        sql,
        parameters,
        ...(limit === undefined ? {} : { limit }),
        views: [...snapshot.views.keys()],
        home: process.home,
        folder,
        memoryLimitBytes,
        threads,
      },
    },
    "needs",
  );
  const views = needed(snapshot, needs.views);
  process.admit(turn.audience);
  const relations = await sealedViews(views, folder, question);
  const { type: _type, ...prepared } = await process.ask({ type: "views", views: relations }, "prepared");
  return { prepared, views: views.map(({ name }) => name) };
}

/**
 * Runs one SELECT over the views of an open snapshot, which it takes over, in a process of its own: the engine there holds nothing but the views that
 * the statement names, the statement is checked against allow-lists, and the engine is sealed to the views' files before the statement runs. Fails with
 * `query/sql-refused`, `query/sql-invalid`, `query/sql-parameter`, `query/unknown-view`, `query/view-building`, `query/sql-busy`; then or while it runs with `query/sql-failed`,
 * `query/sql-too-big`, `query/sql-too-long`, `query/sql-crashed`, `query/sql-cancelled`.
 */
export async function runSql(
  sandbox: Sandbox,
  snapshot: SnapshotReader,
  question: SqlQuestion,
): Promise<SqlAnswer> {
  let turn: SandboxTurn | undefined;
  try {
    checkText(question.sql);
    turn = await sandbox.enter(question);
    const { process } = turn;
    const { prepared, views } = await prepare(turn, snapshot, question);
    const running = turn;
    let open = true;
    return {
      ...prepared,
      state: stateOf(snapshot),
      views,
      encode: async (format, options = {}) => ({ format, ...(await encodeThere(process, format, options)) }),
      texts: async (options = {}) => await textsThere(process, options),
      close: () => {
        if (!open) return;
        open = false;
        snapshot.release();
        void finish(running);
      },
    };
  } catch (error) {
    // A statement that was refused has left nothing behind.
    turn?.giveBack(true);
    snapshot.release();
    throw error;
  }
}

/** Ends a statement: with its process, unless that has come to the end of it and may be used again. */
async function finish(turn: SandboxTurn): Promise<void> {
  const { process } = turn;
  let clean = false;
  if (turn.reusable() && !process.encoding) {
    clean = await process.ask({ type: "finish" }, "finished").then(
      () => true,
      () => false,
    );
  }
  turn.giveBack(clean);
}
