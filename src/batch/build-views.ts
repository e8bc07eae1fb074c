import { FileWriter, type Lake, type Snapshot, type ViewState } from "#lake";
import { compiledOf, type RegisteredView, unbuilt } from "./view-registry.js";
import { buildView } from "./view-rows.js";

/** What to build. */
export interface BuildViewsOptions {
  /** Views the lake should have; one whose hash differs from the snapshot's is rebuilt. */
  readonly views: ReadonlyMap<string, RegisteredView>;
  /** Rebuild these even when nothing changed. */
  readonly force?: ReadonlySet<string>;
  readonly onProgress?: (view: string, done: number, total: number) => void;
}

/** Names of the views whose rows must be built anew. */
export function dueViews(head: Snapshot, options: BuildViewsOptions): string[] {
  const due = new Set<string>();
  for (const [name, view] of options.views) {
    const state = head.views[name];
    if (state === undefined || state.hash !== view.hash) due.add(name);
  }
  for (const [name, state] of Object.entries(head.views)) {
    const retry =
      state.state === "failed" && state.failure?.revision !== head.tables[state.resource]?.revision;
    if (state.state === "building" || retry) due.add(name);
  }
  for (const name of options.force ?? []) due.add(name);
  return [...due].sort();
}

interface Built {
  readonly revision: number | undefined;
  readonly state: ViewState;
}

/**
 * Builds missing, changed and `building` views from the lake's own tables (never from a source) and commits them as one snapshot.
 * A view whose table got a new revision meanwhile is built again before the commit. Undefined when nothing was due.
 */
export async function buildViews(lake: Lake, options: BuildViewsOptions): Promise<Snapshot | undefined> {
  const built = new Map<string, Built>();
  let due: string[] | undefined;
  return FileWriter.during(lake, (writer) =>
    writer.commit(async (head) => {
      if (head === undefined) return undefined;
      due ??= dueViews(head, options);
      if (due.length === 0) return undefined;
      const views: Record<string, ViewState> = {};
      for (const [i, name] of due.entries()) {
        options.onProgress?.(name, i, due.length);
        views[name] = await upToDate(lake, writer, head, name, options.views.get(name), built);
      }
      return { operation: { kind: "build-views", views: due }, views };
    }),
  );
}

/** The view's state for this head: built now, or taken from an earlier attempt when its table has not changed since. */
async function upToDate(
  lake: Lake,
  writer: FileWriter,
  head: Snapshot,
  name: string,
  wanted: RegisteredView | undefined,
  built: Map<string, Built>,
): Promise<ViewState> {
  const before = wanted === undefined ? head.views[name]! : await unbuilt(lake, wanted);
  const table = head.tables[before.resource];
  const known = built.get(name);
  if (known !== undefined && known.revision === table?.revision) return known.state;
  const compiled = wanted?.compile() ?? (await compiledOf(lake, before));
  const state = await lake.database.with((connection) =>
    buildView(lake, connection, writer, name, before, compiled, table),
  );
  built.set(name, { revision: table?.revision, state });
  return state;
}
