import type { CompiledView } from "#compiler";
import type { Connection } from "#duckdb";
import {
  changedKeys,
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

/** Builds a view from everything in its table: one statement, one file. */
export async function buildView(
  lake: Lake,
  writer: FileWriter,
  name: string,
  state: ViewState,
  compiled: CompiledView,
  table: TableState | undefined,
): Promise<ViewState> {
  if (table === undefined) return { ...state, state: "ready", rowCount: 0, layers: [] };
  const resources = await liveResources(lake, state.resource, table);
  const file = await writer.parquet(`views/${name}`, viewSelect(compiled, resources));
  const rows = file?.rows ?? 0;
  const layer: ViewLayer = { files: file === undefined ? [] : [file], rows, level: 0, replaces: [] };
  return { ...state, state: "ready", rowCount: rows, layers: [layer] };
}

/** The rows that a table's new layer adds to a view, and the keys whose earlier rows they replace. */
export async function deltaLayer(
  lake: Lake,
  writer: FileWriter,
  name: string,
  state: ViewState,
  compiled: CompiledView,
  layer: TableLayer,
  observed: readonly string[],
): Promise<ViewLayer> {
  const resources = await layerResources(lake, state.resource, layer, observed);
  const file = await writer.parquet(`views/${name}`, viewSelect(compiled, resources));
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
