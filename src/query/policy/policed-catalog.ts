import type { Database } from "#duckdb";
import { LakeError } from "#kernel";
import type { LakeCatalog, SnapshotReader, SnapshotView } from "../catalog.js";
import { isNamed, type PolicedShape, policedShape, policedView } from "./policed-view.js";
import { changesValues, isOpen, policyDigest, type ViewPolicy } from "./policy.js";

/** What policed reads are made of. */
export interface PolicedCatalogOptions {
  /** The policy of whoever asks just now; undefined for all. Throws when nobody is known to ask. */
  readonly policy: () => ViewPolicy | undefined;
  /** The engine that relations are read with. */
  readonly database: Database;
}

/** Shapes of views that were read lately. */
const MOST_SHAPES = 2000;

/** Remembers what views look like under policies: a definition is read once for each version of a view. */
class Shapes {
  private readonly known = new Map<string, Promise<PolicedShape>>();

  of(view: SnapshotView, policy: ViewPolicy, digest: string): Promise<PolicedShape> {
    const columns = view.columns.map(({ name, sqlType, path }) => [name, sqlType, path]);
    const key = JSON.stringify([digest, view.name, view.hash ?? null, columns]);
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const made = policedShape(view, policy);
    this.known.set(key, made);
    made.catch(() => this.known.delete(key));
    for (const oldest of this.known.keys()) {
      if (this.known.size <= MOST_SHAPES) break;
      this.known.delete(oldest);
    }
    return made;
  }
}

/** Fails for rules under `*` whose column no view has: a name that is wrong by one letter would else hide nothing. */
function checkGeneral(policy: ViewPolicy, views: Iterable<SnapshotView>): void {
  const named = [
    ...Object.keys(policy.columns?.["*"] ?? {}),
    ...(policy.rows?.["*"] ?? []).map(({ column }) => column),
  ];
  if (named.length === 0) return;
  const known = new Set([...views].flatMap((view) => view.columns.map(({ name }) => name)));
  const missing = named.find((name) => !known.has(name));
  if (missing === undefined || known.size === 0) return;
  throw new LakeError(
    "internal",
    "query/policy-misfit",
    `An access rule for all views names column '${missing}', which no view has; mend the role in the configuration.`,
  );
}

/**
 * The catalog as whoever asks may see it: the one place where views, rows and columns are taken away and values are changed. Everything that
 * reads through it (rows, SQL, cohorts, dictionaries, pages) sees nothing else. Fails with `query/policy-misfit`.
 */
export function policedCatalog(catalog: LakeCatalog, options: PolicedCatalogOptions): LakeCatalog {
  const shapes = new Shapes();

  const policed = async (
    reader: SnapshotReader,
    policy: ViewPolicy,
    digest: string,
  ): Promise<SnapshotReader> => {
    try {
      checkGeneral(policy, reader.views.values());
      const state = { day: reader.committedAt.slice(0, 10), database: options.database };
      const named = [...reader.views].filter(([, view]) => isNamed(policy, view));
      const views = await Promise.all(
        named.map(async ([name, view]): Promise<[string, SnapshotView]> => {
          const shape = await shapes.of(view, policy, digest);
          return [name, policedView(view, shape, policy, state)];
        }),
      );
      const changed = changesValues(policy) ? { pseudonymous: true as const } : {};
      return { ...reader, policy: digest, ...changed, views: new Map(views) };
    } catch (error) {
      reader.release();
      throw error;
    }
  };

  const seen = async (
    open: () => Promise<SnapshotReader | undefined>,
  ): Promise<SnapshotReader | undefined> => {
    const policy = options.policy();
    const reader = await open();
    if (reader === undefined || policy === undefined || isOpen(policy)) return reader;
    return await policed(reader, policy, policyDigest(policy)!);
  };

  return {
    policy: () => policyDigest(options.policy()),
    snapshots: () => catalog.snapshots(),
    latest: async (request) => await seen(async () => await catalog.latest(request)),
    at: async (id) => (await seen(async () => await catalog.at(id)))!,
  };
}
