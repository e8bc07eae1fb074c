import { createHash } from "node:crypto";
import type { Database, RunOptions } from "#duckdb";
import { LakeError } from "#kernel";
import type {
  LakeCatalog,
  ReadConsistency,
  ReadState,
  SnapshotReader,
  SnapshotView,
  ViewColumn,
} from "./catalog.js";
import { noSnapshot, requireReady, unknownView } from "./errors.js";
import type { ResultFormat } from "./format.js";
import { isLineFormat, type LineOptions, rowText } from "./line-format.js";
import { BoundQuestion, type PageFacts, type RowCount } from "./question/bound-question.js";
import type { ViewQuestion } from "./question/view-question.js";
import { type EncodedResult, type EncodeOptions, frameRows, ResultEncoder } from "./result.js";

/** Which state to read. */
export interface StateRequest extends ReadConsistency {
  /** Number of the snapshot to read, not together with the others; the newest when absent. */
  readonly snapshot?: number;
  /** ISO instant: the newest snapshot that was committed by then, not together with the others. */
  readonly asOf?: string;
}

/** A question to one view of a state that is opened for it. */
export interface ViewRequest extends ViewQuestion, StateRequest {}

/** How a page is read. */
export interface PageOptions extends RunOptions {
  /** How its rows are going to be encoded, if that is known: a short page is read and encoded at once then. */
  readonly as?: { readonly format: ResultFormat; readonly options: LineOptions };
}

/** A checked question, bound to the snapshot that will answer it. Call `release` when done with it. */
export interface ViewRead {
  /** The state that it was opened at. */
  readonly state: ReadState;
  readonly view: SnapshotView;
  /** The columns of the answer, in order, under the names that they have in it. */
  readonly columns: readonly ViewColumn[];
  /** At most this many rows are in the answer; undefined when all are. */
  readonly rowLimit: number | undefined;
  /** Hex digest of everything that decides the rows of the answer: equal digests mean equal rows in equal order. */
  readonly fingerprint: string;
  encode(format: ResultFormat, options?: EncodeOptions): Promise<EncodedResult>;
  /** The rows as text for people, null for NULL; all in memory, so ask with a limit. */
  texts(options?: EncodeOptions): Promise<(string | null)[][]>;
  /** Whether the limit cuts rows off, and where the next page begins. Computed when asked for, once. */
  page(options?: PageOptions): Promise<PageFacts>;
  /** How many rows answer the question without its limit; see {@link RowCount}. */
  count(kind: "exact" | "estimated", options?: RunOptions): Promise<RowCount>;
  release(): void;
}

/** What reading views needs: the lake, an engine that can open its files, and a folder for short-lived files. */
export interface ReadContext {
  readonly catalog: LakeCatalog;
  /** Opened with `preserveInsertionOrder`, so that sorted rows leave sorted, and with a folder for spilling. */
  readonly database: Database;
  readonly temporaryFolder: string;
}

/** Number of the newest snapshot that was committed by an instant. Fails with `query/as-of-gone` when no such snapshot is kept. */
async function snapshotAsOf(catalog: LakeCatalog, asOf: string): Promise<number> {
  const kept = await catalog.snapshots();
  const found = kept.find(({ committedAt }) => Date.parse(committedAt) <= Date.parse(asOf));
  if (found !== undefined) return found.id;
  const oldest = kept.at(-1);
  if (oldest === undefined) throw noSnapshot();
  throw new LakeError(
    "not-found",
    "query/as-of-gone",
    `No snapshot that old is kept; the oldest that can be read is ${oldest.id} of ${oldest.committedAt}.`,
    { details: { oldest: oldest.id, committedAt: oldest.committedAt } },
  );
}

/** The snapshot of that number or time, or the newest; fails with `query/no-snapshot` while there is none. */
export async function openSnapshot(
  catalog: LakeCatalog,
  { snapshot, asOf, ...options }: StateRequest = {},
): Promise<SnapshotReader> {
  if (snapshot !== undefined && asOf !== undefined) {
    throw new LakeError(
      "invalid-input",
      "query/snapshot-and-as-of",
      "Both a snapshot and as_of are named; leave one of them out.",
    );
  }
  const id = asOf === undefined ? snapshot : await snapshotAsOf(catalog, asOf);
  if (id !== undefined && (options.minEpoch !== undefined || options.consistency === "merged")) {
    throw new LakeError(
      "invalid-input",
      "query/snapshot-and-epoch",
      "A snapshot named by number, time or pin is read as it was committed; leave out either that or consistency=merged and min_epoch.",
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

/** Everything that decides the rows of an answer, in one digest. Ages depend on the day of the snapshot, which is named with it. */
function fingerprint(snapshot: ReadState, view: SnapshotView, request: ViewQuestion): string {
  const { select, filters, order, limit, after, ageAt } = request;
  const state = [
    snapshot.id,
    snapshot.committedAt,
    view.hash ?? null,
    view.changedAt ?? null,
    view.revision ?? null,
    ...(snapshot.policy === undefined ? [] : [snapshot.policy]),
  ];
  const question = [
    view.name,
    select ?? null,
    filters ?? [],
    order ?? [],
    limit ?? null,
    after ?? null,
    ageAt ?? null,
  ];
  return createHash("sha256")
    .update(JSON.stringify([state, question]))
    .digest("hex");
}

function checkLimit(limit: number | undefined): void {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new LakeError("invalid-input", "query/bad-limit", "limit is not a whole number of rows from 0 up.");
  }
}

/** Opens the state and binds the question to it; see {@link readOpened}. */
export async function readView(context: ReadContext, request: ViewRequest): Promise<ViewRead> {
  const { snapshot, asOf, consistency, minEpoch, ...question } = request;
  checkLimit(question.limit);
  const opened = await openSnapshot(context.catalog, {
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(asOf === undefined ? {} : { asOf }),
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
    const bound = new BoundQuestion(context.database, view, {
      ...request,
      ageAt: request.ageAt ?? snapshot.committedAt.slice(0, 10),
    });
    const encoder = async (options: EncodeOptions): Promise<ResultEncoder> =>
      new ResultEncoder(context.database, await bound.statement(options), context.temporaryFolder);
    const columns = bound.encodedColumns;
    const textOf = ({ format, options }: NonNullable<PageOptions["as"]>): string | undefined =>
      isLineFormat(format) ? rowText(format, columns, options) : undefined;
    return {
      state: stateOf(snapshot),
      view,
      columns: bound.columns,
      rowLimit: request.limit,
      fingerprint: fingerprint(snapshot, view, request),
      encode: async (format, options = {}) => {
        const text = textOf({ format, options });
        const page = text === undefined ? undefined : await bound.encodedPage(text, options);
        return page !== undefined && isLineFormat(format)
          ? frameRows(format, columns, { rowCount: page.extent.rowCount, bytes: page.bytes }, options)
          : await (await encoder(options)).encode(format, options);
      },
      texts: async (options = {}) => await (await encoder(options)).texts(options),
      page: async (options = {}) => await bound.page(options, options.as && textOf(options.as)),
      count: async (kind, options = {}) => await bound.count(kind, options),
      release: () => {
        bound.close();
        snapshot.release();
      },
    };
  } catch (error) {
    snapshot.release();
    throw error;
  }
}
