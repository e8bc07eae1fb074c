import { randomUUID } from "node:crypto";
import type { Connection } from "#duckdb";
import type { commit } from "../commit.js";
import { type CompactionStep, planCompaction, planFullCompaction } from "../compaction-plan.js";
import type { Lake } from "../lake.js";
import { FileWriter } from "../publish.js";
import { changedKeys, currentVersions, viewRows } from "../relation.js";
import type { FileRef, Snapshot, TableLayer, TableState, ViewLayer, ViewState } from "../snapshot.js";
import { sortedRanges } from "../sorted-ranges.js";
import { requireLakeSpace } from "../space.js";

/** What to compact. */
export interface CompactOptions {
  /** Rewrite every table and view that is not a single base layer, instead of what the policy asks for. */
  readonly full?: boolean;
  readonly onProgress?: (what: string) => void;
  /** Aborting it ends the work at the next key range; what was written so far is dropped, finished rewrites stay. */
  readonly signal?: AbortSignal;
}

/** A rewrite of some layers, ready to be committed on any head that still has all its inputs. */
interface Rewrite<Layer> {
  readonly inputs: readonly Layer[];
  readonly output: Layer;
}

interface Layered {
  readonly files: readonly FileRef[];
  readonly replaces?: readonly FileRef[];
}

/** Fails with `lake/no-space` unless the inputs would fit a second time: they stay until a vacuum. */
async function requireRoom(lake: Lake, inputs: readonly Layered[]): Promise<void> {
  const bytes = inputs.flatMap((layer) => layer.files).reduce((sum, file) => sum + file.sizeBytes, 0);
  await requireLakeSpace(lake, bytes, "this compaction");
}

function keysOfLayer(layer: Layered): string {
  return [...layer.files, ...(layer.replaces ?? [])].map((file) => file.key).join(" ");
}

/**
 * The layers with the inputs replaced by the output; undefined when an input is gone. Merged deltas take the place of the last input,
 * so that they hide what each of them hid. A merged base takes the place of the first: deltas between the inputs hide rows of it, and
 * it hides nothing itself.
 */
function replaced<
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

async function rewriteTable(
  lake: Lake,
  connection: Connection,
  writer: FileWriter,
  type: string,
  table: TableState,
  step: CompactionStep,
  signal: AbortSignal | undefined,
): Promise<Rewrite<TableLayer>> {
  const inputs = step.inputs.map((i) => table.layers[i]!);
  await requireRoom(lake, inputs);
  const select = await currentVersions(lake, { ...table, layers: inputs });
  const files: FileRef[] = [];
  for (const range of await sortedRanges(connection, select, lake.sortRows)) {
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

async function rewriteView(
  lake: Lake,
  connection: Connection,
  writer: FileWriter,
  name: string,
  view: ViewState,
  step: CompactionStep,
): Promise<Rewrite<ViewLayer>> {
  const inputs = step.inputs.map((i) => view.layers[i]!);
  await requireRoom(lake, inputs);
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

/** True when {@link compact} with these options would rewrite something of the snapshot. */
export function compactionDue(head: Snapshot, options: Pick<CompactOptions, "full"> = {}): boolean {
  const plan: Plan = options.full === true ? planFullCompaction : planCompaction;
  const views = Object.values(head.views).filter((view) => view.state === "ready");
  return [...Object.values(head.tables), ...views].some(({ layers }) => plan(layers) !== undefined);
}

type Plan = (layers: readonly { level: 0 | 1 | 2; rows: number }[]) => CompactionStep | undefined;

/** One pass: at most one rewrite per table and view, one commit each so that a lost race costs little. */
async function pass(lake: Lake, plan: Plan, options: CompactOptions): Promise<Snapshot[]> {
  const made: Snapshot[] = [];
  const head = await lake.history.latest();
  if (head === undefined) return made;
  for (const [type, table] of Object.entries(head.tables)) {
    const step = plan(table.layers);
    if (step === undefined) continue;
    options.signal?.throwIfAborted();
    options.onProgress?.(`resources/${type}`);
    const snapshot = await rewriteAndCommit(lake, (connection, writer) =>
      rewriteTable(lake, connection, writer, type, table, step, options.signal).then((rewrite) => (now) => {
        const layers =
          now.tables[type] === undefined ? undefined : replaced(now.tables[type].layers, rewrite);
        if (layers === undefined) return undefined;
        return {
          operation: { kind: "compact", tables: [type], views: [] },
          tables: { [type]: { ...now.tables[type]!, layers } },
        };
      }),
    );
    if (snapshot !== undefined) made.push(snapshot);
  }
  for (const [name, view] of Object.entries(head.views)) {
    const step = view.state === "ready" ? plan(view.layers) : undefined;
    if (step === undefined) continue;
    options.signal?.throwIfAborted();
    options.onProgress?.(`views/${name}`);
    const snapshot = await rewriteAndCommit(lake, (connection, writer) =>
      rewriteView(lake, connection, writer, name, view, step).then((rewrite) => (now) => {
        const present = now.views[name];
        const layers = present?.hash === view.hash ? replaced(present.layers, rewrite) : undefined;
        if (present === undefined || layers === undefined) return undefined;
        return {
          operation: { kind: "compact", tables: [], views: [name] },
          views: { [name]: { ...present, layers } },
        };
      }),
    );
    if (snapshot !== undefined) made.push(snapshot);
  }
  return made;
}

type Change = (
  head: Snapshot,
) => Parameters<typeof commit>[1] extends (head: Snapshot | undefined) => Promise<infer C> ? C : never;

async function rewriteAndCommit(
  lake: Lake,
  rewrite: (connection: Connection, writer: FileWriter) => Promise<Change>,
): Promise<Snapshot | undefined> {
  return FileWriter.during(lake, async (writer) => {
    const change = await lake.database.with((connection) => rewrite(connection, writer));
    return writer.commit(async (head) => (head === undefined ? undefined : change(head)));
  });
}

/**
 * Merges layers by policy (or all of them with `full`) in bounded memory. Content does not change; each rewrite is a snapshot of its
 * own and is dropped when another writer replaced its inputs first. Returns the snapshots made. Errors: `lake/no-space`; an abort
 * rejects with the signal's reason.
 */
export async function compact(lake: Lake, options: CompactOptions = {}): Promise<Snapshot[]> {
  const made: Snapshot[] = [];
  // A merge can make the next one due (the ninth merged layer); more than a few rounds would mean a plan that never ends.
  for (let round = 0; round < 4; round++) {
    const snapshots = await pass(lake, options.full === true ? planFullCompaction : planCompaction, options);
    made.push(...snapshots);
    if (snapshots.length === 0) break;
  }
  return made;
}
