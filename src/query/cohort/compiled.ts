import type { Database } from "#duckdb";
import { isLakeError } from "#kernel";
import type { SnapshotReader } from "../catalog.js";
import { Bindings } from "./bindings.js";
import { combine } from "./combined.js";
import type { CombinedCohort, Conversion, RuleCohort, ValueSet } from "./definition.js";
import { CohortStatement, cohortOutdated } from "./statement.js";
import { UnitsPresent } from "./units-present.js";

/** A definition with the definitions it refers to. */
export type ResolvedCohort =
  | { readonly id: string; readonly definition: RuleCohort }
  | { readonly id: string; readonly definition: CombinedCohort; readonly parts: readonly ResolvedCohort[] };

/** What a statement over a cohort may add to it. */
export interface Extras<T> {
  /** Value sets and conversions beyond the cohort's own. */
  readonly valueSets?: ReadonlyMap<string, ValueSet>;
  readonly conversions?: readonly Conversion[];
  /** Binds more criteria to the passes over views before these are written down. */
  readonly extend: (statement: CohortStatement) => T;
}

/** A cohort as SQL over one snapshot. */
export interface CompiledCohort<T> {
  readonly statement: CohortStatement;
  /** `WITH RECURSIVE …`, to stand before a SELECT over `marked`, `idx`, `persons`, `patients`. */
  readonly head: string;
  /** Selects members in `marked`. */
  readonly isMember: string;
  readonly extra: T;
}

/** A cohort without entry, onto which the persons of a combined one are put. */
function shell(cohort: CombinedCohort): RuleCohort {
  return {
    ...cohort,
    kind: "rules",
    sources: undefined,
    valueSets: new Map(),
    conversions: [],
    entry: { kind: "everyone", at: "1970-01-01" },
    include: [],
    exclude: [],
    censor: undefined,
  };
}

async function membersSql(
  cohort: ResolvedCohort,
  snapshot: SnapshotReader,
  units: UnitsPresent,
  bindings: Bindings,
): Promise<string> {
  const compiled = await compileOnce(cohort, snapshot, units, bindings, { extend: () => undefined });
  return `${compiled.head} SELECT person, low, high, exit FROM marked WHERE ${compiled.isMember}`;
}

async function compileOnce<T>(
  cohort: ResolvedCohort,
  snapshot: SnapshotReader,
  units: UnitsPresent,
  bindings: Bindings,
  extras: Extras<T>,
): Promise<CompiledCohort<T>> {
  const base = cohort.definition.kind === "rules" ? cohort.definition : shell(cohort.definition);
  const rules: RuleCohort = {
    ...base,
    valueSets: new Map([...base.valueSets, ...(extras.valueSets ?? [])]),
    conversions: [...(extras.conversions ?? []), ...base.conversions],
  };
  let statement: CohortStatement;
  if ("parts" in cohort) {
    const parts: string[] = [];
    for (const part of cohort.parts) parts.push(await membersSql(part, snapshot, units, bindings));
    const given = combine(cohort.definition.operation, parts);
    statement = new CohortStatement(rules, snapshot, units.of, { bindings, given });
  } else {
    statement = new CohortStatement(rules, snapshot, units.of, { bindings });
  }
  const extra = extras.extend(statement);
  const head = `WITH RECURSIVE ${await statement.sql()}`;
  return { statement, head, isMember: statement.isMember, extra };
}

/**
 * Compiles a cohort against a snapshot. Fails with `cohort/bad-definition` where names of views or columns, or values, do not fit;
 * for a stored cohort pass `stored`, and that becomes `cohort/outdated`.
 */
export async function compileCohort<T>(
  database: Database,
  snapshot: SnapshotReader,
  cohort: ResolvedCohort,
  extras: Extras<T>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<CompiledCohort<T>> {
  const units = new UnitsPresent();
  const compile = (): Promise<CompiledCohort<T>> =>
    compileOnce(cohort, snapshot, units, new Bindings(), extras);
  const first = await compile();
  return (await units.load(database, snapshot, options.signal)) ? await compile() : first;
}

/** Runs `work` on a stored cohort: what its definition does wrong by now is the lake's doing and not the caller's. */
export async function asStored<T>(id: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isLakeError(error, "cohort/bad-definition")) throw cohortOutdated(id, error);
    throw error;
  }
}
