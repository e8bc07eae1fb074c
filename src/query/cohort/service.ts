import { didYouMean, isLakeError, LakeError } from "#kernel";
import type { SnapshotReader } from "../catalog.js";
import { openSnapshot, type ReadContext, type StateRequest, type ViewRead } from "../read-view.js";
import { type AttritionStep, attrition, type MaskCounts, suppressAttrition } from "./attrition.js";
import { asStored, type CompiledCohort, compileCohort, type ResolvedCohort } from "./compiled.js";
import type { CohortDefinition } from "./definition.js";
import { type CohortDiff, changesBetween } from "./diff.js";
import { type Dimension, dimensionOf, dimensions, FEASIBILITY } from "./dimension.js";
import { describeCohort, ruleNames } from "./english.js";
import { bindFeature, type DatasetRequest, parseDataset } from "./features.js";
import {
  type CriterionQuality,
  countBy,
  countMasks,
  countPairs,
  measureQuality,
  memberHashes,
} from "./measure.js";
import { datasetTable, featureQuality, memberTable } from "./member-table.js";
import { parseCohort } from "./parse.js";
import type { ReleaseGuard } from "./release-guard.js";
import type { ResourceVersions } from "./resource-versions.js";
import type { CohortStore, StoredCohort, StoredDataset } from "./store.js";
import { groupSmall, type PairCell, suppressPairs } from "./suppression.js";
import { readTable } from "./table-read.js";

/** What cohorts are computed with. */
export interface CohortContext extends ReadContext {
  readonly store: CohortStore;
  /** Counts from 1 to one less are not shown; 0 shows all. Otherwise 3 or more. */
  readonly smallCell: number;
  readonly guard: ReleaseGuard;
  /** Tells versions of resources for the diff of a cohort. */
  readonly versions: ResourceVersions;
}

/** Checks a suppression threshold. Fails with `cohort/bad-small-cell`. */
export function checkSmallCell(k: number): number {
  if (Number.isInteger(k) && (k === 0 || (k >= 3 && k <= 1000))) return k;
  throw new LakeError(
    "invalid-input",
    "cohort/bad-small-cell",
    "The least count that is shown is 3 to 1000, or 0 to show all; 2 would protect nobody, since what is hidden would be 1.",
  );
}

/** A number of persons as it may be shown: null when it is suppressed. */
export type ShownCount = number | null;

/** The size of a cohort. */
export interface CohortCount {
  readonly count: ShownCount;
  /** The threshold that applied. */
  readonly smallCell: number;
  readonly quality: readonly CriterionQuality[];
}

/** A table of members by one or two dimensions. */
export interface Breakdown {
  readonly by: readonly string[];
  readonly count: ShownCount;
  readonly smallCell: number;
  /** Null for the whole table when it may not be shown. */
  readonly cells: readonly { readonly values: readonly string[]; readonly count: ShownCount }[] | null;
  /** The table of each dimension on its own; the same as `cells` for one dimension. */
  readonly margins: Readonly<Record<string, readonly { readonly value: string; readonly count: number }[]>>;
}

/** Whether a study could be done with the cohort. */
export interface Feasibility extends Breakdown {
  /** Null when the count is suppressed and so does not say. */
  readonly feasible: boolean | null;
  readonly needed: number;
}

/** A cohort at one state of the lake. Release it. */
export class CohortRead {
  readonly stored: StoredCohort;
  readonly snapshot: SnapshotReader;
  private readonly context: CohortContext;
  private readonly cohort: ResolvedCohort;
  private readonly signal: AbortSignal | undefined;
  private compiled: Promise<CompiledCohort<undefined>> | undefined;
  private masks: Promise<MaskCounts> | undefined;

  constructor(
    context: CohortContext,
    stored: StoredCohort,
    cohort: ResolvedCohort,
    snapshot: SnapshotReader,
    signal?: AbortSignal,
  ) {
    this.context = context;
    this.stored = stored;
    this.cohort = cohort;
    this.snapshot = snapshot;
    this.signal = signal;
  }

  private compile(): Promise<CompiledCohort<undefined>> {
    this.compiled ??= asStored(this.stored.id, () =>
      compileCohort(
        this.context.database,
        this.snapshot,
        this.cohort,
        { extend: () => undefined },
        this.options,
      ),
    );
    return this.compiled;
  }

  private get options(): { readonly signal?: AbortSignal } {
    return this.signal === undefined ? {} : { signal: this.signal };
  }

  private async counts(): Promise<MaskCounts> {
    this.masks ??= this.compile().then((compiled) =>
      countMasks(this.context.database, compiled, this.options),
    );
    return await this.masks;
  }

  /** Null where the count is small, or where a part of a combined cohort is. */
  private async shownCount(): Promise<ShownCount> {
    const { smallCell: k, guard, database } = this.context;
    const { members, masks } = await this.counts();
    if (k === 0) return members;
    const small = (count: number): boolean => count > 0 && count < k;
    // The counts of the parts stand elsewhere, so that any small region would follow from this count.
    if (small(members) || ("parts" in this.cohort && [...masks.values()].some(small))) return null;
    const hashes = await memberHashes(database, await this.compile(), this.options);
    const { id, epoch } = this.snapshot;
    const state = `snapshot ${id}${epoch === undefined ? "" : `, epoch ${epoch}`}`;
    guard.admit(`${this.stored.id}@${this.stored.version}`, state, hashes, k);
    return members;
  }

  /** How many persons belong to it, and what had to be left out on the way. Fails with `cohort/too-similar`. */
  async count(): Promise<CohortCount> {
    const { smallCell } = this.context;
    const compiled = await this.compile();
    const quality = await measureQuality(this.context.database, compiled, this.options);
    return { count: await this.shownCount(), smallCell, quality };
  }

  /**
   * What each rule takes away. Under suppression only in the order of the definition, because several orders together tell of small
   * groups; fails with `cohort/order-suppressed`, and with `cohort/bad-order`, `cohort/too-similar`.
   */
  async attrition(order?: readonly number[]): Promise<readonly AttritionStep[]> {
    const { smallCell: k } = this.context;
    const steps = attrition(await this.counts(), ruleNames(this.cohort.definition), order);
    if (k === 0) return steps;
    if (order !== undefined) {
      throw new LakeError(
        "conflict",
        "cohort/order-suppressed",
        "Attrition is shown in the order of the definition only, because several orders together would tell of small groups.",
      );
    }
    const count = await this.shownCount();
    const shown = suppressAttrition(steps, k);
    // A count that may not be shown as such may not be shown here either.
    if (count !== null || (await this.counts()).members === 0) return shown;
    return shown.map((step, index) =>
      index === shown.length - 1 ? { ...step, remaining: null, removed: null } : step,
    );
  }

  /** The attrition with every number, for those who may see the rows anyway. */
  async exactAttrition(): Promise<readonly AttritionStep[]> {
    return attrition(await this.counts(), ruleNames(this.cohort.definition));
  }

  /** Members, one row each, in every format of views. Takes over the snapshot: release the answer instead. */
  async members(): Promise<ViewRead> {
    const compiled = await this.compile();
    const { id, version } = this.stored;
    return readTable(this.context, this.snapshot, {
      name: id,
      description: `Members of cohort ${id}, version ${version}`,
      ...memberTable(compiled),
      parameters: compiled.statement.bindings.values,
      identity: ["members", id, version],
      changedAt: changes(this.snapshot),
    });
  }

  /** Members by one or two dimensions. Fails with `cohort/not-crossed`, `cohort/too-similar`. */
  async breakdown(by: readonly Dimension[]): Promise<Breakdown> {
    const [row, column] = by;
    const { smallCell: k, database } = this.context;
    if (k > 0 && column !== undefined) this.checkCrossed(row!, column);
    const compiled = await this.compile();
    const count = await this.shownCount();
    const margin = async (dimension: Dimension) =>
      groupSmall(await countBy(database, compiled, dimension, this.options), k);
    const groups = new Map(await Promise.all(by.map(async (one) => [one, await margin(one)] as const)));
    if (count === null) return { by, count, smallCell: k, cells: null, margins: {} };
    const margins = Object.fromEntries(
      [...groups].map(([name, { counts }]) => [
        name,
        [...counts].map(([value, n]) => ({ value, count: n })).sort((a, b) => (a.value < b.value ? -1 : 1)),
      ]),
    );
    if (column === undefined) {
      const cells = margins[row!]!.map(({ value, count: n }) => ({ values: [value], count: n }));
      return { by, count, smallCell: k, cells, margins };
    }
    const pairs = await countPairs(database, compiled, [row!, column], this.options);
    const cells = suppressPairs(pairs, groups.get(row!)!, groups.get(column)!, k);
    return { by, count, smallCell: k, cells: cells?.map(cellOf) ?? null, margins };
  }

  private checkCrossed(row: Dimension, column: Dimension): void {
    const allowed = [FEASIBILITY, ...this.cohort.definition.crossTables];
    if (allowed.some((pair) => pair.includes(row) && pair.includes(column))) return;
    throw new LakeError(
      "conflict",
      "cohort/not-crossed",
      `Under suppression a cohort is crossed only by the pairs that its definition names in crossTables: ${allowed.map((pair) => pair.join(" and ")).join("; ")}.`,
    );
  }

  /** Whether there are enough members, and how they spread over sources and years. */
  async feasibility(needed: number): Promise<Feasibility> {
    const table = await this.breakdown(FEASIBILITY);
    const { count } = table;
    const feasible =
      count === null
        ? needed >= this.context.smallCell && !("parts" in this.cohort)
          ? false
          : null
        : count >= needed;
    return { ...table, feasible, needed };
  }

  /** The rows of a dataset. Takes over the snapshot: release the answer instead. */
  async dataset(stored: StoredDataset): Promise<ViewRead> {
    const { compiled } = await this.bindDataset(stored.request);
    return readTable(this.context, this.snapshot, {
      name: `${this.stored.id}_${stored.id.slice(0, 8)}`,
      description: `Dataset ${stored.id} of cohort ${this.stored.id}, version ${this.stored.version}`,
      ...datasetTable(compiled),
      parameters: compiled.statement.bindings.values,
      identity: ["dataset", stored.id],
      changedAt: changes(this.snapshot),
    });
  }

  private async bindDataset(json: unknown) {
    // First the cohort alone: what does not fit the snapshot there is not the dataset's fault.
    await this.compile();
    const { definition } = this.cohort;
    const request: DatasetRequest = parseDataset(
      json,
      definition.kind === "rules" ? definition.valueSets : new Map(),
    );
    const compiled = await compileCohort(
      this.context.database,
      this.snapshot,
      this.cohort,
      {
        valueSets: request.valueSets,
        conversions: request.conversions,
        extend: (statement) => request.features.map((feature) => bindFeature(statement, feature)),
      },
      this.options,
    );
    return { request, compiled };
  }

  /**
   * Checks a dataset and describes it: what each column is and what records it could not use. Fails with `cohort/bad-definition`, among
   * others when a feature reaches past the index without saying so.
   */
  async describeDataset(json: unknown): Promise<DatasetDescription> {
    const { compiled } = await this.bindDataset(json);
    const sql = featureQuality(compiled);
    const found =
      sql === undefined
        ? []
        : await this.context.database.with((connection) =>
            connection.rows<{ feature: string; reason: string; records: string }>(
              sql,
              compiled.statement.bindings.values,
              this.options,
            ),
          );
    const { columns } = datasetTable(compiled);
    return {
      rows: (await this.counts()).members,
      columns: columns.map(({ name, sqlType, description }) => {
        const own = found
          .filter(({ feature }) => feature === name)
          .map(({ reason, records }) => [reason, Number(records)] as const);
        const { all, ...leftOut } = Object.fromEntries(own);
        return { name, type: sqlType, description, ...(all === undefined ? {} : { records: all, leftOut }) };
      }),
    };
  }

  release(): void {
    this.snapshot.release();
  }
}

/** What a dataset holds. */
export interface DatasetDescription {
  readonly rows: number;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly description: string;
    /** Records of members that lie in the feature's window. */
    readonly records?: number;
    /** Those of them that could not be used, by reason. */
    readonly leftOut?: Readonly<Record<string, number>>;
  }[];
}

function cellOf({ row, column, count }: PairCell): {
  readonly values: readonly string[];
  readonly count: ShownCount;
} {
  return { values: [row, column], count };
}

function changes(snapshot: SnapshotReader): (number | string | null)[] {
  return [...snapshot.views.values()].map((view) => view.changedAt ?? null);
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

/** The dimensions of a breakdown by their names. Fails with `cohort/bad-dimension`, naming the nearest. */
export function parseDimensions(names: readonly string[]): readonly Dimension[] {
  const found = names.map((name) => {
    const dimension = dimensionOf(name);
    if (dimension !== undefined) return dimension;
    throw new LakeError(
      "invalid-input",
      "cohort/bad-dimension",
      `There is no dimension '${name.slice(0, 64)}'.${didYouMean(name, dimensions)} There are ${dimensions.join(", ")}.`,
    );
  });
  if (found.length >= 1 && found.length <= 2 && new Set(found).size === found.length) return found;
  throw new LakeError(
    "invalid-input",
    "cohort/bad-dimension",
    "A breakdown is by one dimension or by two different ones.",
  );
}
