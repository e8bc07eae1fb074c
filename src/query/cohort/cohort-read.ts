import { LakeError } from "#kernel";
import type { SnapshotReader } from "../catalog.js";
import type { ReadContext, ViewRead } from "../read-view.js";
import { type AttritionStep, attrition, type MaskCounts, suppressAttrition } from "./attrition.js";
import { asStored, type CompiledCohort, compileCohort, type ResolvedCohort } from "./compiled.js";
import { type Dimension, FEASIBILITY } from "./dimension.js";
import { ruleNames } from "./english.js";
import { bindFeature, type DatasetRequest, parseDataset } from "./features.js";
import { type CriterionQuality, countBy, countPairs, type Tally, tally } from "./measure.js";
import { datasetTable, featureQuality, memberTable } from "./member-table.js";
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
  private tallied: { readonly quality: boolean; readonly result: Promise<Tally> } | undefined;

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

  /** What it comes to; with `quality` also what its criteria could not use. */
  private tally(quality = false): Promise<Tally> {
    if (this.tallied !== undefined && (this.tallied.quality || !quality)) return this.tallied.result;
    const { database, smallCell } = this.context;
    const result = this.compile().then((compiled) =>
      tally(database, compiled, { quality, hashes: smallCell > 0 }, this.options),
    );
    this.tallied = { quality, result };
    return result;
  }

  private async counts(): Promise<MaskCounts> {
    return (await this.tally()).counts;
  }

  /** Null where the count is small, or where a part of a combined cohort is. */
  private async shownCount(): Promise<ShownCount> {
    const { smallCell: k, guard } = this.context;
    const { counts, hashes } = await this.tally();
    const { members, masks } = counts;
    if (k === 0) return members;
    const small = (count: number): boolean => count > 0 && count < k;
    // The counts of the parts stand elsewhere, so that any small region would follow from this count.
    if (small(members) || ("parts" in this.cohort && [...masks.values()].some(small))) return null;
    const { id, epoch } = this.snapshot;
    const state = `snapshot ${id}${epoch === undefined ? "" : `, epoch ${epoch}`}`;
    guard.admit(`${this.stored.id}@${this.stored.version}`, state, hashes, k);
    return members;
  }

  /** How many persons belong to it, and what had to be left out on the way. Fails with `cohort/too-similar`. */
  async count(): Promise<CohortCount> {
    const { smallCell } = this.context;
    const { quality } = await this.tally(true);
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

/** What the live changes in a state are, per view. */
function changes(snapshot: SnapshotReader): (number | string | null)[] {
  return [...snapshot.views.values()].map((view) => view.changedAt ?? null);
}

function cellOf({ row, column, count }: PairCell): {
  readonly values: readonly string[];
  readonly count: ShownCount;
} {
  return { values: [row, column], count };
}
