import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Connection, Database, parseColumnType, quoteIdentifier } from "#duckdb";
import { isLakeError, LakeError } from "#kernel";
import type { LakeCatalog, ReadState, SnapshotReader, SnapshotView } from "./catalog.js";
import type { EncodedColumn } from "./encoding.js";
import { requireReady } from "./errors.js";
import type { ResultFormat } from "./format.js";
import { openSnapshot, stateOf } from "./read-view.js";
import { type EncodedResult, type EncodeOptions, ResultEncoder } from "./result.js";
import { checkStatement } from "./sql/guard.js";

/** How a user's SQL may use the machine. */
export interface SqlOptions {
  readonly memoryLimitBytes?: number;
  readonly threads?: number;
  /** Number of the snapshot to read; the newest when absent. */
  readonly snapshot?: number;
}

/** The formats of SQL answers: those that need no file, since the sealed engine may write none. */
export type SqlFormat = Exclude<ResultFormat, "parquet">;

/** An answer to SQL that is ready to run. Call `close` when done with it. */
export interface SqlAnswer {
  /** The state that its views are read at. */
  readonly state: ReadState;
  readonly columns: readonly { readonly name: string; readonly sqlType: string }[];
  encode(format: SqlFormat, options?: EncodeOptions): Promise<EncodedResult>;
  /** The rows as text for people, null for NULL; all in memory. */
  texts(options?: EncodeOptions): Promise<(string | null)[][]>;
  /** Frees the engine and the snapshot; does nothing the second time. */
  close(): void;
}

const MAX_SQL_CHARACTERS = 100_000;
/** The user's statement becomes a view of this name, which no user can name in turn. */
const ANSWER = "_answer_of_the_user";

/** The string constants below a node: in a view's relation, the files that it reads are among them. */
function constants(node: unknown, found: Set<string>): void {
  if (Array.isArray(node)) {
    for (const item of node) constants(item, found);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const record = node as Record<string, unknown>;
  if (record["class"] === "CONSTANT") {
    const value = (record["value"] as { readonly value?: unknown } | undefined)?.value;
    if (typeof value === "string") found.add(value);
    return;
  }
  for (const member of Object.values(record)) constants(member, found);
}

/** The string constants in the arguments of table functions: the files of a relation that the lake made. */
function filesOf(node: unknown, found: Set<string>): void {
  if (Array.isArray(node)) {
    for (const item of node) filesOf(item, found);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const record = node as Record<string, unknown>;
  if (record["type"] === "TABLE_FUNCTION") constants(record["function"], found);
  for (const member of Object.values(record)) filesOf(member, found);
}

async function serialize(connection: Connection, sql: string): Promise<string> {
  const [row] = await connection.rows<{ tree: string }>("SELECT json_serialize_sql($1::VARCHAR) AS tree", [
    sql,
  ]);
  return row?.tree ?? "{}";
}

/**
 * The engine's complaint about a statement as ours. Parser, binder and catalog complaints speak of names only and are
 * what an author of SQL needs; the others may quote data, so only their kind is told.
 */
function mapSqlError(error: unknown): LakeError {
  const cause = isLakeError(error, "duckdb/query-failed") ? error.cause : undefined;
  if (isLakeError(error, "duckdb/stream-failed")) return failed(error);
  if (!(cause instanceof Error)) return isLakeError(error) ? error : failed(error);
  const named = /^(?:Parser|Binder|Catalog) Error: ([^\n]*(?:\n(?!\n|LINE)[^\n]*)*)/.exec(cause.message);
  if (named !== null) {
    return new LakeError("invalid-input", "query/sql-invalid", named[1]!.trim(), { cause });
  }
  return failed(cause);
}

function failed(cause: unknown): LakeError {
  return new LakeError(
    "invalid-input",
    "query/sql-failed",
    "The statement failed on some value, such as a cast that is not possible or a number out of range; try_cast yields NULL instead.",
    { cause },
  );
}

async function defineViews(
  database: Database,
  views: readonly SnapshotView[],
  folder: string,
): Promise<void> {
  const files = new Set<string>();
  await database.with(async (connection) => {
    for (const view of views) {
      const columns = view.columns.map((column) => quoteIdentifier(column.name)).join(", ");
      const relation = view.sealed === undefined ? view.relation() : view.sealed(folder);
      const rows = `${await relation} AS _view`;
      await connection.run(`CREATE VIEW ${quoteIdentifier(view.name)} AS SELECT ${columns} FROM ${rows}`);
      filesOf(JSON.parse(await serialize(connection, `SELECT * FROM ${rows}`)), files);
    }
  });
  await database.seal([...files]);
}

function usedViews(snapshot: SnapshotReader, names: ReadonlySet<string>): SnapshotView[] {
  return [...snapshot.views.values()].filter((view) => names.has(view.name.toLowerCase()));
}

/** A column of an answer, with the engine's own name of its type. */
interface AnswerColumn extends EncodedColumn {
  readonly sqlType: string;
}

/**
 * A checked statement as the text after AS. DESCRIBE and SUMMARIZE may stand there in parentheses only; balanced text in
 * parentheses stays one statement, since the parser has accepted it alone.
 */
function viewBody(sql: string): string {
  return /^\s*(?:DESCRIBE|DESC|SUMMARIZE)\b/i.test(sql)
    ? `SELECT * FROM (${sql.replace(/[;\s]+$/, "")}\n)`
    : sql;
}

async function prepare(
  database: Database,
  snapshot: SnapshotReader,
  sql: string,
  folder: string,
): Promise<AnswerColumn[]> {
  const serialized = await database
    .with((connection) => serialize(connection, sql))
    .catch((error: unknown) => {
      // The parser itself gave up, as it does on thousands of nested parentheses.
      throw new LakeError("invalid-input", "query/sql-invalid", "The SQL cannot be parsed; simplify it.", {
        cause: error,
      });
    });
  const names = checkStatement(serialized, snapshot.views.keys());
  const views = usedViews(snapshot, names);
  for (const view of views) requireReady(view);
  await defineViews(database, views, folder);
  try {
    return await database.with(async (connection) => {
      await connection.run(`CREATE VIEW ${quoteIdentifier(ANSWER)} AS ${viewBody(sql)}`);
      const rows = await connection.rows<{ column_name: string; column_type: string }>(
        `DESCRIBE ${quoteIdentifier(ANSWER)}`,
      );
      return rows.map((row) => ({
        name: row.column_name,
        type: parseColumnType(row.column_type),
        sqlType: row.column_type,
        decimalText: false,
      }));
    });
  } catch (error) {
    throw mapSqlError(error);
  }
}

async function* mapped(body: EncodedResult["body"]): EncodedResult["body"] {
  try {
    yield* body;
  } catch (error) {
    throw mapSqlError(error);
  }
}

/**
 * Prepares one SELECT over the views of a snapshot in an engine of its own: it holds nothing but those views, its
 * statement is checked against allow-lists, and it is sealed to the files of the views before the statement is seen.
 * Memory of single giant values is not bounded here, so give it trusted users only. Fails with `query/sql-refused`,
 * `query/sql-invalid`, `query/unknown-view`, `query/view-building`, `query/no-snapshot`; while running with `query/sql-failed`.
 */
export async function runSql(catalog: LakeCatalog, sql: string, options: SqlOptions): Promise<SqlAnswer> {
  if (sql.length > MAX_SQL_CHARACTERS || sql.includes("\0")) {
    throw new LakeError(
      "invalid-input",
      "query/sql-refused",
      `The SQL is longer than ${MAX_SQL_CHARACTERS} characters or holds NUL.`,
    );
  }
  const { snapshot: id, ...limits } = options;
  const snapshot = await openSnapshot(catalog, id === undefined ? {} : { snapshot: id });
  const database = await Database.open({ ...limits, preserveInsertionOrder: true });
  const folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-sql-"));
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    database.close();
    snapshot.release();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const columns = await prepare(database, snapshot, sql, folder);
    const statement = { source: `FROM ${quoteIdentifier(ANSWER)}`, parameters: [], columns };
    const encoder = () => new ResultEncoder(database, statement, tmpdir());
    return {
      state: stateOf(snapshot),
      columns: columns.map(({ name, sqlType }) => ({ name, sqlType })),
      encode: async (format, encodeOptions = {}) => {
        const result = await encoder().encode(format, encodeOptions);
        return { ...result, body: mapped(result.body) };
      },
      texts: async (encodeOptions = {}) => {
        try {
          return await encoder().texts(encodeOptions);
        } catch (error) {
          throw mapSqlError(error);
        }
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
