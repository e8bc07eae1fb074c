import { isLakeError, LakeError } from "#kernel";
import { openSnapshot, type StateRequest } from "../read-view.js";
import { type CohortContext, CohortRead } from "./cohort-read.js";
import { asStored, compileCohort, type ResolvedCohort } from "./compiled.js";
import type { CohortDefinition } from "./definition.js";
import { type CohortDiff, changesBetween } from "./diff.js";
import { describeCohort } from "./english.js";
import { parseCohort } from "./parse.js";
import type { CohortStore, StoredCohort } from "./store.js";

/** Checks a suppression threshold. Fails with `cohort/bad-small-cell`. */
export function checkSmallCell(k: number): number {
  if (Number.isInteger(k) && (k === 0 || (k >= 3 && k <= 1000))) return k;
  throw new LakeError(
    "invalid-input",
    "cohort/bad-small-cell",
    "The least count that is shown is 3 to 1000, or 0 to show all; 2 would protect nobody, since what is hidden would be 1.",
  );
}

/** Cohorts of one lake. */
export class CohortService {
  private readonly context: CohortContext;

  constructor(context: CohortContext) {
    checkSmallCell(context.smallCell);
    this.context = context;
  }

  get store(): CohortStore {
    return this.context.store;
  }

  /** The definition with those it refers to, versions fixed. */
  private async resolve(id: string, definition: CohortDefinition, depth = 0): Promise<ResolvedCohort> {
    if (definition.kind === "rules") return { id, definition };
    if (depth > 8) {
      throw new LakeError(
        "invalid-input",
        "cohort/too-deep",
        "Cohorts are combined from combined ones more than 8 deep.",
      );
    }
    const parts = await Promise.all(
      definition.of.map(async (part) => {
        const stored = await this.store.get(part.id, part.version);
        return await this.resolve(part.id, parseCohort(stored.definition), depth + 1);
      }),
    );
    return { id, definition, parts };
  }

  /** The JSON of a combined cohort with the versions of its parts written into it, so that it means the same for ever. */
  private async fixed(json: unknown, definition: CohortDefinition): Promise<unknown> {
    if (definition.kind === "rules") return json;
    const parts = await Promise.all(
      definition.of.map(async ({ id, version }) => {
        const stored = await this.store.get(id, version);
        return `${id}@${stored.version}`;
      }),
    );
    return { ...(json as object), combine: { [definition.operation]: parts } };
  }

  /**
   * Checks a definition against the newest snapshot and says it in English. Fails with `cohort/bad-definition`; before anything was
   * ingested only the definition itself is checked.
   */
  async check(
    json: unknown,
  ): Promise<{ readonly english: string; readonly definition: CohortDefinition; readonly json: unknown }> {
    const parsed = parseCohort(json);
    const settled = await this.fixed(json, parsed);
    const definition = parseCohort(settled);
    const resolved = await this.resolve("", definition);
    const snapshot = await this.context.catalog.latest({ consistency: "batch" });
    try {
      if (snapshot !== undefined) {
        await compileCohort(this.context.database, snapshot, resolved, { extend: () => undefined });
      }
    } catch (error) {
      // A view that is being built says nothing against the definition.
      if (!isLakeError(error, "query/view-building")) throw error;
    } finally {
      snapshot?.release();
    }
    return { english: describeCohort(definition), definition, json: settled };
  }

  /** Checks and stores a definition; see {@link CohortStore.put}. */
  async put(id: string, json: unknown, expected?: number): Promise<StoredCohort> {
    const checked = await this.check(json);
    return await this.store.put(id, checked.json, expected);
  }

  /** A stored definition in English. */
  describe(stored: StoredCohort): string {
    return describeCohort(parseCohort(stored.definition));
  }

  /** Opens a cohort at a state of the lake. Release it. */
  async open(
    id: string,
    version: number | undefined,
    state: StateRequest = {},
    signal?: AbortSignal,
  ): Promise<CohortRead> {
    const stored = await this.store.get(id, version);
    const resolved = await this.resolve(id, parseCohort(stored.definition));
    const snapshot = await openSnapshot(this.context.catalog, state);
    return new CohortRead(this.context, stored, resolved, snapshot, signal);
  }

  /** Who entered or left between two snapshots, and what did it. */
  async diff(
    id: string,
    version: number | undefined,
    states: { readonly from: number; readonly to: number },
    limit: number,
    signal?: AbortSignal,
  ): Promise<CohortDiff & { readonly cohort: StoredCohort }> {
    const stored = await this.store.get(id, version);
    const cohort = await this.resolve(id, parseCohort(stored.definition));
    const { database, catalog, versions } = this.context;
    const options = signal === undefined ? {} : { signal };
    const from = await catalog.at(states.from);
    try {
      // The resources behind a change go by their own names, which a policy that changes values hides.
      if (from.pseudonymous === true) throw diffNamesResources();
      const to = await catalog.at(states.to);
      try {
        const diff = await asStored(id, () =>
          changesBetween({ database, cohort, from, to, versions, limit }, options),
        );
        return { ...diff, cohort: stored };
      } finally {
        to.release();
      }
    } finally {
      from.release();
    }
  }
}

function diffNamesResources(): LakeError {
  return new LakeError(
    "unsupported",
    "cohort/diff-names-resources",
    "Who came and went is told by the names of resources, which your role does not see; ask for the members at both snapshots instead.",
  );
}
