import { createHash } from "node:crypto";
import { type Database, parseColumnType, quoteIdentifier } from "#duckdb";
import { LakeError } from "#kernel";
import type {
  LakeCatalog,
  ReadConsistency,
  ReadState,
  SnapshotReader,
  SnapshotSummary,
  SnapshotView,
  ViewColumn,
} from "./catalog.js";
import { checkValue } from "./column-value.js";
import type { EncodedColumn } from "./encoding.js";
import { noSnapshot, requireReady, unknownColumn, unknownView } from "./errors.js";
import type { ResultFormat } from "./format.js";
import { type EncodedResult, type EncodeOptions, ResultEncoder, type Statement } from "./result.js";

/** One condition on a column; conditions are joined by AND. */
export interface ColumnFilter {
  readonly column: string;
  readonly operator: "eq";
  /** The value as text; it must be a value of the column's type. */
  readonly value: string;
}

/** A question to one view of a snapshot. Names are checked against the view, values against the types of their columns. */
export interface ViewQuestion {
  readonly view: string;
  /** Columns in the order wanted; all columns in view order when absent. */
  readonly select?: readonly string[];
  readonly filters?: readonly ColumnFilter[];
  /** At most this many rows, 0 included; all rows when absent. */
  readonly limit?: number;
}

/** Which state to read. */
export interface StateRequest extends ReadConsistency {
  /** Number of the snapshot to read, not together with the other two; the newest when absent. */
  readonly snapshot?: number;
}

/** A question to one view of a state that is opened for it. */
export interface ViewRequest extends ViewQuestion, StateRequest {}

/** A checked question, bound to the snapshot that will answer it. Call `release` when done with it. */
export interface ViewRead {
  /** The state that it was opened at. */
  readonly state: ReadState;
  readonly view: SnapshotView;
  /** The columns of the answer, in order. */
  readonly columns: readonly ViewColumn[];
  /** Hex digest of everything that decides the rows of the answer: equal digests mean equal rows in equal order. */
  readonly fingerprint: string;
  encode(format: ResultFormat, options?: EncodeOptions): Promise<EncodedResult>;
  /** The rows as text for people, null for NULL; all in memory, so ask with a limit. */
  texts(options?: EncodeOptions): Promise<(string | null)[][]>;
  release(): void;
}

/** What reading views needs: the lake, an engine that can open its files, and a folder for short-lived files. */
export interface ReadContext {
  readonly catalog: LakeCatalog;
  /** Opened with `preserveInsertionOrder`, so that sorted rows leave sorted, and with a folder for spilling. */
  readonly database: Database;
  readonly temporaryFolder: string;
}

/** The snapshot of that number, or the newest; fails with `query/no-snapshot` while there is none. */
export async function openSnapshot(
  catalog: LakeCatalog,
  { snapshot: id, ...options }: StateRequest = {},
): Promise<SnapshotReader> {
  if (id !== undefined && (options.minEpoch !== undefined || options.consistency === "merged")) {
    throw new LakeError(
      "invalid-input",
      "query/snapshot-and-epoch",
      "A numbered snapshot is read as it was committed; leave out either the snapshot or consistency=merged and min_epoch.",
    );
  }
  const reader = id === undefined ? await catalog.latest(options) : await catalog.at(id);
  if (reader === undefined) throw noSnapshot();
  return id === undefined ? reader : { ...reader, pinned: true };
}

/** The state of a reader without what must be released. */
export function stateOf({ views: _views, release: _release, ...state }: SnapshotReader): ReadState {
  return state;
}

/** The view of that name. Fails with `query/unknown-view`, naming the nearest; a view that is building is returned. */
export function findView(snapshot: SnapshotReader, name: string): SnapshotView {
  const view = snapshot.views.get(name);
  if (view === undefined) throw unknownView(name, snapshot.views);
  return view;
}

function findColumn(view: SnapshotView, name: string, role: string): ViewColumn {
  const column = view.columns.find((candidate) => candidate.name === name);
  if (column === undefined) throw unknownColumn(name, view, role);
  return column;
}

function selectColumns(view: SnapshotView, names: readonly string[] | undefined): readonly ViewColumn[] {
  if (names === undefined) return view.columns;
  if (names.length === 0) {
    throw new LakeError(
      "invalid-input",
      "query/no-columns",
      "select names no column; name at least one or leave it out.",
    );
  }
  const columns = names.map((name) => findColumn(view, name, "select"));
  const twice = columns.find((column, index) => columns.indexOf(column) !== index);
  if (twice !== undefined) {
    throw new LakeError(
      "invalid-input",
      "query/duplicate-column",
      `select names column '${twice.name}' twice.`,
    );
  }
  return columns;
}

/** A view's column in the terms of the encoders. */
export function encodedColumn(column: ViewColumn): EncodedColumn {
  const type = parseColumnType(column.sqlType);
  const decimalText =
    column.fhirType === "decimal" &&
    (type.kind === "text" || (type.kind === "list" && type.item.kind === "text"));
  return { name: column.name, type, decimalText };
}

/** Collects values to bind; the text that stands for a value never depends on it. */
class Bindings {
  readonly values: string[] = [];

  bind(value: string, sqlType: string): string {
    return `CAST($${this.values.push(value)} AS ${sqlType})`;
  }
}

function condition(view: SnapshotView, filter: ColumnFilter, bindings: Bindings): string {
  const column = findColumn(view, filter.column, "a filter");
  const type = parseColumnType(column.sqlType);
  if (type.kind === "list") {
    throw new LakeError(
      "invalid-input",
      "query/list-filter",
      `Column '${column.name}' holds lists, which cannot be filtered; filter on another column.`,
    );
  }
  const value = bindings.bind(checkValue(column.name, type, filter.value), column.sqlType);
  return `${quoteIdentifier(column.name)} = ${value}`;
}

/**
 * The one place where a question becomes SQL text. Identifiers come from the catalog and are quoted, values are bound.
 *
 * Rows leave in a canonical order: by resource key and then by value. The order of files and layers would be cheaper, but
 * the engine does not keep it through joins and unions on several threads, and equal questions must get equal bytes.
 * A limit is found on the key column alone first, since a top-n over all columns would read all of them everywhere.
 */
async function statement(
  view: SnapshotView,
  columns: readonly ViewColumn[],
  request: ViewQuestion,
): Promise<Statement> {
  const bindings = new Bindings();
  const conditions = (request.filters ?? []).map((filter) => condition(view, filter, bindings));
  const where = (all: readonly string[]) => (all.length === 0 ? "" : `WHERE ${all.join(" AND ")}`);
  const names = columns.map((column) => quoteIdentifier(column.name)).join(", ");
  const relation = await view.relation();
  const order = `ORDER BY _lake_key, ${names}`;
  const rows = (all: readonly string[]) => `SELECT ${names} FROM ${relation} AS _view ${where(all)} ${order}`;
  let source = rows(conditions);
  if (request.limit !== undefined) {
    const limit = `LIMIT ${bindings.bind(String(request.limit), "BIGINT")}`;
    const keys = `SELECT _lake_key FROM ${relation} AS _keys ${where(conditions)} ORDER BY _lake_key ${limit}`;
    const upTo = `_lake_key <= (SELECT max(_lake_key) FROM (${keys}))`;
    source = `${rows([...conditions, upTo])} ${limit}`;
  }
  return { source, parameters: bindings.values, columns: columns.map(encodedColumn) };
}

function fingerprint(
  snapshot: SnapshotSummary,
  view: SnapshotView,
  columns: readonly ViewColumn[],
  request: ViewQuestion,
): string {
  const filters = (request.filters ?? []).map(({ column, operator, value }) => [column, operator, value]);
  const names = columns.map((column) => column.name);
  const question = [
    snapshot.id,
    snapshot.committedAt,
    view.changedAt ?? null,
    view.revision ?? null,
    view.name,
    names,
    filters,
    request.limit ?? null,
  ];
  return createHash("sha256").update(JSON.stringify(question)).digest("hex");
}

function checkLimit(limit: number | undefined): void {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new LakeError("invalid-input", "query/bad-limit", "limit is not a whole number of rows from 0 up.");
  }
}

/** Opens the state and binds the question to it; see {@link readOpened}. */
export async function readView(context: ReadContext, request: ViewRequest): Promise<ViewRead> {
  const { snapshot, consistency, minEpoch, ...question } = request;
  checkLimit(question.limit);
  const opened = await openSnapshot(context.catalog, {
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(minEpoch === undefined ? {} : { minEpoch }),
  });
  return readOpened(context, opened, question);
}

/**
 * Checks a question against an opened state, which it takes over, and binds it; nothing is computed yet. Fails with
 * `query/unknown-view`, `query/view-building`, `query/unknown-column`, `query/bad-value`, `query/bad-limit` or the
 * other codes of bad questions; the state is released then.
 */
export async function readOpened(
  context: ReadContext,
  snapshot: SnapshotReader,
  request: ViewQuestion,
): Promise<ViewRead> {
  try {
    checkLimit(request.limit);
    const view = findView(snapshot, request.view);
    requireReady(view);
    const columns = selectColumns(view, request.select);
    const encoder = () => new ResultEncoder(context.database, bound, context.temporaryFolder);
    const bound = await statement(view, columns, request);
    return {
      state: stateOf(snapshot),
      view,
      columns,
      fingerprint: fingerprint(snapshot, view, columns, request),
      encode: async (format, options = {}) => await encoder().encode(format, options),
      texts: async (options = {}) => await encoder().texts(options),
      release: () => snapshot.release(),
    };
  } catch (error) {
    snapshot.release();
    throw error;
  }
}
