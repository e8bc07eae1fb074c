import type { Connection } from "#duckdb";
import { isLakeError, LakeError } from "#kernel";
import type { commit } from "../commit.js";
import { type CompactionStep, planCompaction, planFullCompaction } from "../compaction-plan.js";
import type { Lake } from "../lake.js";
import { FileWriter } from "../publish.js";
import type { Snapshot } from "../snapshot.js";
import { replaced, rewriteTable, rewriteView } from "./rewrite-layers.js";

/** What to compact. */
export interface CompactOptions {
  /** Rewrite every table and view that is not a single base layer, instead of what the policy asks for. */
  readonly full?: boolean;
  readonly onProgress?: (what: string) => void;
  /** Aborting it ends the work at the next key range; what was written so far is dropped, finished rewrites stay. */
  readonly signal?: AbortSignal;
}

/** True when {@link compact} with these options would rewrite something of the snapshot. */
export function compactionDue(head: Snapshot, options: Pick<CompactOptions, "full"> = {}): boolean {
  const plan: Plan = options.full === true ? planFullCompaction : planCompaction;
  const views = Object.values(head.views).filter((view) => view.state === "ready");
  return [...Object.values(head.tables), ...views].some(({ layers }) => plan(layers) !== undefined);
}

type Plan = (layers: readonly { level: 0 | 1 | 2; rows: number }[]) => CompactionStep | undefined;

/** A rewrite that a plan asks for. */
interface Due {
  /** `resources/` and the type, or `views/` and the name. */
  readonly what: string;
  /** Makes and commits it; undefined when another writer was first. */
  make(): Promise<Snapshot | undefined>;
}

function tablesDue(lake: Lake, head: Snapshot, plan: Plan, { signal }: CompactOptions): Due[] {
  return Object.entries(head.tables).flatMap(([type, table]) => {
    const step = plan(table.layers);
    if (step === undefined) return [];
    const make: Due["make"] = () =>
      rewriteAndCommit(lake, async (connection, writer) => {
        const rewrite = await rewriteTable(lake, connection, writer, type, table, step, signal);
        return (now) => {
          const present = now.tables[type];
          const layers = present === undefined ? undefined : replaced(present.layers, rewrite);
          if (present === undefined || layers === undefined) return undefined;
          return {
            operation: { kind: "compact", tables: [type], views: [] },
            tables: { [type]: { ...present, layers } },
          };
        };
      });
    return [{ what: `resources/${type}`, make }];
  });
}

function viewsDue(lake: Lake, head: Snapshot, plan: Plan): Due[] {
  return Object.entries(head.views).flatMap(([name, view]) => {
    const step = view.state === "ready" ? plan(view.layers) : undefined;
    if (step === undefined) return [];
    const make: Due["make"] = () =>
      rewriteAndCommit(lake, async (connection, writer) => {
        const rewrite = await rewriteView(lake, connection, writer, name, view, step);
        return (now) => {
          const present = now.views[name];
          const layers = present?.hash === view.hash ? replaced(present.layers, rewrite) : undefined;
          if (present === undefined || layers === undefined) return undefined;
          return {
            operation: { kind: "compact", tables: [], views: [name] },
            views: { [name]: { ...present, layers } },
          };
        };
      });
    return [{ what: `views/${name}`, make }];
  });
}

/** What could not be rewritten, and why. */
type Failures = Map<string, unknown>;

/** One pass: at most one rewrite per table and view, one commit each so that a lost race costs little. What failed before is left out. */
async function pass(
  lake: Lake,
  plan: Plan,
  options: CompactOptions,
  failures: Failures,
): Promise<Snapshot[]> {
  const made: Snapshot[] = [];
  const head = await lake.history.latest();
  if (head === undefined) return made;
  for (const { what, make } of [...tablesDue(lake, head, plan, options), ...viewsDue(lake, head, plan)]) {
    if (failures.has(what)) continue;
    options.signal?.throwIfAborted();
    options.onProgress?.(what);
    try {
      const snapshot = await make();
      if (snapshot !== undefined) made.push(snapshot);
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.set(what, error);
    }
  }
  return made;
}

/** The first failure, which says what failed; undefined without one. */
function failureOf(failures: Failures): unknown {
  const [first] = failures;
  if (first === undefined || !isLakeError(first[1])) return first?.[1];
  const [what, { kind, code, message, retryable, details }] = first;
  const failed = [...failures.keys()];
  const others = failed.length === 1 ? "" : ` So could not: ${failed.slice(1).join(", ")}.`;
  return new LakeError(kind, code, `${what} could not be compacted: ${message}${others}`, {
    retryable,
    details: { ...details, failed },
    cause: first[1],
  });
}

type Change = (
  head: Snapshot,
) => Parameters<typeof commit>[1] extends (head: Snapshot | undefined) => Promise<infer C> ? C : never;

async function rewriteAndCommit(
  lake: Lake,
  rewrite: (connection: Connection, writer: FileWriter) => Promise<Change>,
): Promise<Snapshot | undefined> {
  return FileWriter.during(lake, async (writer) => {
    const work = (connection: Connection): Promise<Change> => rewrite(connection, writer);
    const change = await lake.database.with(work).catch((error: unknown) => {
      if (!isLakeError(error, "duckdb/out-of-memory")) throw error;
      return lake.database.withOneThread(work);
    });
    return writer.commit(async (head) => (head === undefined ? undefined : change(head)));
  });
}

/**
 * Merges layers by policy (or all of them with `full`) in bounded memory. Content does not change; each rewrite is a snapshot of its
 * own and is dropped when another writer replaced its inputs first. Returns the snapshots made. A rewrite that fails keeps none of the
 * others from being made; its error is thrown in the end, with everything that failed as `failed` in its details. Errors: `lake/no-space`,
 * `duckdb/out-of-memory`; an abort rejects with the signal's reason.
 */
export async function compact(lake: Lake, options: CompactOptions = {}): Promise<Snapshot[]> {
  const plan = options.full === true ? planFullCompaction : planCompaction;
  const made: Snapshot[] = [];
  const failures: Failures = new Map();
  // A merge can make the next one due (the ninth merged layer); more than a few rounds would mean a plan that never ends.
  for (let round = 0; round < 4; round++) {
    const snapshots = await pass(lake, plan, options, failures);
    made.push(...snapshots);
    if (snapshots.length === 0) break;
  }
  if (failures.size > 0) throw failureOf(failures);
  return made;
}
