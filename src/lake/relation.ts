import { quoteIdentifier, quoteLiteral } from "#duckdb";
import type { Shape } from "#fhir";
import type { Lake } from "./lake.js";
import type { FileRef, TableLayer, TableState, ViewLayer, ViewState } from "./snapshot.js";
import { tableShape } from "./table-layout.js";

/** `read_parquet` over files; `reconcile` unites differing column sets by name. */
async function parquet(lake: Lake, files: readonly FileRef[], reconcile: boolean): Promise<string> {
  const paths = await lake.paths(files);
  const list = paths.map(quoteLiteral).join(", ");
  return `read_parquet([${list}]${reconcile ? ", union_by_name = true" : ""}, hive_partitioning = false)`;
}

function sameShape(layers: readonly TableLayer[]): boolean {
  return new Set(layers.map((layer) => layer.shapeId)).size <= 1;
}

/**
 * Every resource's newest version in a table, tombstones included: rows of the base whose key no later layer holds, and of the
 * later layers the row with the greatest order key. This is the one place that says which version counts.
 */
export async function currentVersions(lake: Lake, table: TableState): Promise<string> {
  const base = table.layers.filter((layer) => layer.level === 0);
  const deltas = table.layers.filter((layer) => layer.level !== 0);
  const reconcile = !sameShape(table.layers);
  const filesOf = (layers: readonly TableLayer[]): FileRef[] => layers.flatMap((layer) => layer.files);
  if (deltas.length === 0) return `SELECT * FROM ${await parquet(lake, filesOf(base), reconcile)}`;
  const deltaRows = await parquet(lake, filesOf(deltas), reconcile);
  const deltaKeys = await parquet(lake, filesOf(deltas), false);
  const newest =
    deltas.length === 1
      ? `SELECT * FROM ${deltaRows}`
      : `SELECT * FROM ${deltaRows} SEMI JOIN (SELECT _lake_key, max(_lake_order) AS _lake_order FROM ${deltaKeys} GROUP BY _lake_key) USING (_lake_key, _lake_order)`;
  if (base.length === 0) return newest;
  const baseRows = await parquet(lake, filesOf(base), reconcile);
  const kept = `SELECT * FROM ${baseRows} ANTI JOIN (SELECT _lake_key FROM ${deltaKeys}) USING (_lake_key)`;
  return `${kept} UNION ALL BY NAME ${newest}`;
}

/** A relation for the compiler: live resources of a table, or of some of its files, with the column set they have. */
export interface ResourceRelation {
  /** Parenthesised SELECT. */
  readonly relation: string;
  readonly shape: Shape & { readonly kind: "struct" };
}

function live(select: string): string {
  return `(SELECT *, _lake_id AS id FROM (${select}) WHERE NOT _lake_deleted)`;
}

function withId(lake: Lake, type: string, observed: readonly string[]): ResourceRelation["shape"] {
  const shape = tableShape(lake.definitions, type, observed);
  return { kind: "struct", fields: new Map([["id", { kind: "scalar", type: "text" }], ...shape.fields]) };
}

/** All live resources of a type in a snapshot's table. */
export async function liveResources(lake: Lake, type: string, table: TableState): Promise<ResourceRelation> {
  return { relation: live(await currentVersions(lake, table)), shape: withId(lake, type, table.observed) };
}

/** The live rows of one new layer: what an incremental view refresh reads. All its files have one column set. */
export async function layerResources(
  lake: Lake,
  type: string,
  layer: Pick<TableLayer, "files">,
  observed: readonly string[],
): Promise<ResourceRelation> {
  const rows = `SELECT * FROM ${await parquet(lake, layer.files, false)}`;
  return { relation: live(rows), shape: withId(lake, type, observed) };
}

/** A parenthesised SELECT of the distinct keys in the `_lake_key` columns of files. */
export async function changedKeys(lake: Lake, files: readonly FileRef[]): Promise<string> {
  return `(SELECT DISTINCT _lake_key FROM ${await parquet(lake, files, false)})`;
}

/**
 * Something to stand after FROM that holds the rows of a view's layer in place of its files: the same columns of the same types, in the same
 * order. Undefined where there is none.
 */
export type LayerSource = (layer: ViewLayer) => string | undefined;

/** The rows of one layer of a view, whether or not they still count, as a SELECT over its files; it must have some. */
export async function viewLayerRows(lake: Lake, layer: Pick<ViewLayer, "files">): Promise<string> {
  return `SELECT * FROM ${await parquet(lake, layer.files, false)}`;
}

/**
 * Looks up the files of a materialized view, once, and gives what makes {@link viewRows} of it, perhaps with other sources for some of
 * its layers.
 */
export async function viewRowsText(lake: Lake, view: ViewState): Promise<(sourceOf?: LayerSource) => string> {
  const branches: { layer: ViewLayer; files: string; counting: string }[] = [];
  for (const [i, layer] of view.layers.entries()) {
    if (layer.files.length === 0) continue;
    const files = await parquet(lake, layer.files, false);
    const later = view.layers.slice(i + 1).flatMap((next) => next.replaces);
    const counting =
      later.length === 0
        ? ""
        : ` ANTI JOIN (SELECT _lake_key FROM ${await parquet(lake, later, false)}) USING (_lake_key)`;
    branches.push({ layer, files, counting });
  }
  if (branches.length === 0) {
    const columns = view.columns.map((c) => `NULL::${c.sqlType} AS ${quoteIdentifier(c.name)}`);
    return () => `(SELECT ${["NULL::UUID AS _lake_key", ...columns].join(", ")} WHERE false)`;
  }
  return (sourceOf) => {
    const selects = branches.map(
      ({ layer, files, counting }) => `SELECT * FROM ${sourceOf?.(layer) ?? files}${counting}`,
    );
    return `(${selects.join(" UNION ALL ")})`;
  };
}

/**
 * The rows of a materialized view: `_lake_key`, then its columns, as a parenthesised SELECT. Rows of a layer count unless a later
 * layer replaces their key. An empty view is a relation with the right columns and no rows.
 */
export async function viewRows(lake: Lake, view: ViewState): Promise<string> {
  return (await viewRowsText(lake, view))();
}
