import { type CompiledView, viewDataError } from "#compiler";
import type { Connection } from "#duckdb";
import {
  changedKeys,
  type FileRef,
  type FileWriter,
  type Lake,
  layerResources,
  liveResources,
  type ResourceRelation,
  type TableLayer,
  type TableState,
  type ViewLayer,
  type ViewState,
  viewRows,
} from "#lake";

/** The compiled view over resources of the lake, as one SELECT with values written into it. */
function viewSelect(compiled: CompiledView, resources: ResourceRelation): string {
  return compiled.sql({
    relation: resources.relation,
    shape: resources.shape,
    keyColumn: "_lake_key",
    idColumn: "_lake_id",
    sourceColumn: "_lake_source",
    rawColumn: "raw",
  }).text;
}

/**
 * The view after data broke one of its rules (for example two values for one column), so that one bad resource stops neither the
 * ingestion nor other views. Any other error is thrown again.
 */
export function failedView(state: ViewState, error: unknown, revision: number): ViewState {
  const cause = viewDataError(error);
  if (cause === undefined) throw error;
  const { code, message } = cause;
  return { ...state, state: "failed", rowCount: 0, layers: [], failure: { code, message, revision } };
}

/** Builds a view from everything in its table: one statement, one file. Data that breaks the view makes it `failed`. */
export async function buildView(
  lake: Lake,
  connection: Connection,
  writer: FileWriter,
  name: string,
  state: ViewState,
  compiled: CompiledView,
  table: TableState | undefined,
): Promise<ViewState> {
  const { failure: _, ...rest } = state;
  if (table === undefined) return { ...rest, state: "ready", rowCount: 0, layers: [] };
  const resources = await liveResources(lake, state.resource, table);
  let file: FileRef | undefined;
  try {
    file = await writer.parquet(connection, `views/${name}`, viewSelect(compiled, resources));
  } catch (error) {
    return failedView(state, error, table.revision);
  }
  const rows = file?.rows ?? 0;
  const layer: ViewLayer = { files: file === undefined ? [] : [file], rows, level: 0, replaces: [] };
  return { ...rest, state: "ready", rowCount: rows, layers: [layer] };
}

/** The rows that a table's new layer adds to a view, and the keys whose earlier rows they replace. */
export async function deltaLayer(
  lake: Lake,
  connection: Connection,
  writer: FileWriter,
  name: string,
  state: ViewState,
  compiled: CompiledView,
  layer: TableLayer,
  observed: readonly string[],
): Promise<ViewLayer> {
  const resources = await layerResources(lake, state.resource, layer, observed);
  const file = await writer.parquet(connection, `views/${name}`, viewSelect(compiled, resources));
  return {
    files: file === undefined ? [] : [file],
    rows: file?.rows ?? 0,
    level: layer.level,
    replaces: layer.level === 0 ? [] : layer.files,
  };
}

/**
 * The view after its table got a new layer: rows of changed resources are dropped and their new rows added. Exactly what a full
 * build would give, because a view row belongs to one resource.
 */
export async function withDelta(
  lake: Lake,
  connection: Connection,
  state: ViewState,
  delta: ViewLayer,
): Promise<ViewState> {
  const removed = delta.replaces.length === 0 ? 0 : await rowsOf(lake, connection, state, delta.replaces);
  const empty = delta.rows === 0 && removed === 0;
  return {
    ...state,
    rowCount: state.rowCount + delta.rows - removed,
    layers: empty ? state.layers : [...state.layers, delta],
  };
}

/** How many rows of the view belong to resources in the key columns of `files`. */
async function rowsOf(
  lake: Lake,
  connection: Connection,
  state: ViewState,
  files: ViewLayer["replaces"],
): Promise<number> {
  const [row] = await connection.rows<{ n: string }>(
    `SELECT count(*) AS n FROM ${await viewRows(lake, state)} SEMI JOIN ${await changedKeys(lake, files)} USING (_lake_key)`,
  );
  return Number(row?.n ?? 0);
}
