import { randomUUID } from "node:crypto";
import type { Connection } from "#duckdb";
import type { CompactionStep } from "../compaction-plan.js";
import type { Lake } from "../lake.js";
import type { FileWriter } from "../publish.js";
import { changedKeys, currentVersions, viewRows } from "../relation.js";
import type { FileRef, TableLayer, TableState, ViewLayer, ViewState } from "../snapshot.js";
import { areWrittenApart, rowsWithin, sortedRanges } from "../sorted-ranges.js";
import { requireLakeSpace } from "../space.js";

/** A rewrite of some layers, ready to be committed on any head that still has all its inputs. */
export interface Rewrite<Layer> {
  readonly inputs: readonly Layer[];
  readonly output: Layer;
}

interface Layered {
  readonly files: readonly FileRef[];
  readonly replaces?: readonly FileRef[];
}

/** Fails with `lake/no-space` unless the inputs would fit so many times more: they stay until a vacuum. */
async function requireRoom(lake: Lake, inputs: readonly Layered[], times: number): Promise<void> {
  const bytes = inputs.flatMap((layer) => layer.files).reduce((sum, file) => sum + file.sizeBytes, 0);
  await requireLakeSpace(lake, times * bytes, "this compaction");
}

function keysOfLayer(layer: Layered): string {
  return [...layer.files, ...(layer.replaces ?? [])].map((file) => file.key).join(" ");
}

/**
 * The layers with the inputs replaced by the output; undefined when an input is gone. Merged deltas take the place of the last input,
 * so that they hide what each of them hid. A merged base takes the place of the first: deltas between the inputs hide rows of it, and
 * it hides nothing itself.
 */
export function replaced<
  Layer extends {
    readonly files: readonly FileRef[];
    readonly replaces?: readonly FileRef[];
    readonly level: 0 | 1 | 2;
  },
>(layers: readonly Layer[], rewrite: Rewrite<Layer>): Layer[] | undefined {
  const inputs = new Set(rewrite.inputs.map(keysOfLayer));
  const at = layers.flatMap((layer, i) => (inputs.has(keysOfLayer(layer)) ? [i] : []));
  if (at.length !== inputs.size) return undefined;
  const place = rewrite.output.level === 0 ? at[0] : at.at(-1);
  return layers.flatMap((layer, i) => (i === place ? [rewrite.output] : at.includes(i) ? [] : [layer]));
}

/** Writes the rows of a table that its step's layers leave, sorted by patient, then id. */
export async function rewriteTable(
  lake: Lake,
  connection: Connection,
  writer: FileWriter,
  type: string,
  table: TableState,
  step: CompactionStep,
  signal: AbortSignal | undefined,
): Promise<Rewrite<TableLayer>> {
  const inputs = step.inputs.map((i) => table.layers[i]!);
  const select = await currentVersions(lake, { ...table, layers: inputs });
  const paths = await lake.paths(inputs.flatMap((layer) => layer.files));
  const rowsPerRange = await rowsWithin(connection, lake.sortBytes, paths);
  const rowsRead = inputs.reduce((sum, layer) => sum + layer.rows, 0);
  await requireRoom(lake, inputs, areWrittenApart(rowsRead, rowsPerRange) ? 2 : 1);
  const files: FileRef[] = [];
  const ranges = sortedRanges(connection, select, { rowsPerRange, folder: writer.passing() });
  for await (const range of ranges) {
    signal?.throwIfAborted();
    const written = await writer.parquet(connection, `resources/${type}`, range);
    if (written !== undefined) files.push(written);
  }
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  // United column sets may order struct fields in their own way, so only equal inputs keep their id.
  const shapes = new Set(inputs.map((layer) => layer.shapeId));
  const shapeId = shapes.size === 1 ? inputs[0]!.shapeId : randomUUID();
  return { inputs, output: { files, rows, level: step.level, shapeId } };
}

/** Writes the rows of a view that its step's layers leave, and the keys that they replace. */
export async function rewriteView(
  lake: Lake,
  connection: Connection,
  writer: FileWriter,
  name: string,
  view: ViewState,
  step: CompactionStep,
): Promise<Rewrite<ViewLayer>> {
  const inputs = step.inputs.map((i) => view.layers[i]!);
  await requireRoom(lake, inputs, 1);
  const written = await writer.parquet(
    connection,
    `views/${name}`,
    `FROM ${await viewRows(lake, { ...view, layers: inputs })}`,
  );
  const files = written === undefined ? [] : [written];
  const changed = inputs.flatMap((layer) => layer.replaces);
  // A key list of its own, so that the merged layer does not keep the commits' data files alive.
  const keys =
    step.level === 0 || changed.length === 0
      ? undefined
      : await writer.parquet(connection, `views/${name}`, `FROM ${await changedKeys(lake, changed)}`);
  const replaces = keys === undefined ? [] : [keys];
  return { inputs, output: { files, rows: written?.rows ?? 0, level: step.level, replaces } };
}
