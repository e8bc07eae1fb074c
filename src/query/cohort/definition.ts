/**
 * What a cohort is, after its JSON was checked (see {@link parseCohort}). Days are calendar days as written in the records; a partial
 * date (`2014`, `2014-09`) is the interval of the days that it can mean.
 */

/** Codes that belong together. A system of `undefined` matches codes of every system. */
export interface ValueSet {
  readonly codes: readonly { readonly system: string | undefined; readonly code: string }[];
  /** Every code that begins so; the empty prefix is a whole system. */
  readonly prefixes: readonly { readonly system: string | undefined; readonly prefix: string }[];
  /** Codes that do not belong although the two above say so. */
  readonly without: readonly { readonly system: string | undefined; readonly code: string }[];
}

/** What a unit of one analyte is in another: `to = factor * from + offset`. Goes before conversion by UCUM. */
export interface Conversion {
  readonly code: string;
  readonly from: string;
  readonly to: string;
  /** Greater than 0, so that order is kept. */
  readonly factor: number;
  readonly offset: number;
}

/** A condition on one column of a view. */
export interface ColumnCondition {
  readonly column: string;
  readonly operator: "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "in" | "notIn" | "startsWith" | "isNull";
  /** As text; empty for `isNull`, which has its answer in `negated`. */
  readonly values: readonly string[];
  /** `isNull: false`. */
  readonly negated: boolean;
  /** Where it stands in the definition, for messages. */
  readonly path: string;
}

/** Which rows of a view are meant. */
export interface EventFilter {
  readonly view: string;
  /** Names of value sets, any of which may hold the code; empty for all rows. */
  readonly in: readonly string[];
  /** Which code of a row is looked at, by the name before `_code`; its main codes when absent. */
  readonly code: string | undefined;
  readonly where: readonly ColumnCondition[];
  /** `valid` leaves out records that say of themselves that they do not hold; see {@link recordsRule}. */
  readonly records: "valid" | "all";
  /** Names of dates, the first that a row has is its day; the view's usual ones when absent. */
  readonly date: readonly string[] | undefined;
  readonly path: string;
}

/** A condition on a measured value. */
export interface ValueCondition {
  readonly column: string | undefined;
  /** UCUM; `any` compares numbers whatever their unit. Absent only where the view has no unit for the column. */
  readonly unit: string | undefined;
  readonly low: { readonly value: number; readonly open: boolean } | undefined;
  readonly high: { readonly value: number; readonly open: boolean } | undefined;
  readonly path: string;
}

/** Days relative to the index, both ends included; an end that is absent is open. */
export interface DayWindow {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** Whether a partial date has to lie in a window with all days that it can mean, or with one. */
export type PartialDates = "certain" | "possible";

/** Rows that have to be there. */
export interface EventTest {
  readonly kind: "events";
  readonly filter: EventFilter;
  readonly value: ValueCondition | undefined;
  readonly within: DayWindow | undefined;
  readonly partialDates: PartialDates;
  /** `any` row, or the `latest` or `earliest` one that has a value. */
  readonly pick: "any" | "latest" | "earliest";
  readonly count: {
    readonly min: number;
    readonly max: number | undefined;
    /** Days that must lie between two that count; 0 counts every resource. */
    readonly apartDays: number;
  };
}

/** Full years at the index, both for the earliest and for the latest day that birth and index can mean. */
export interface AgeTest {
  readonly kind: "age";
  readonly low: number | undefined;
  /** Exclusive. */
  readonly below: number | undefined;
}

export interface SexTest {
  readonly kind: "sex";
  readonly codes: readonly string[];
}

export interface GroupTest {
  readonly kind: "all" | "any";
  readonly tests: readonly CohortTest[];
}

export interface NotTest {
  readonly kind: "not";
  readonly test: CohortTest;
}

export type CohortTest = EventTest | AgeTest | SexTest | GroupTest | NotTest;

/** One line of the attrition. */
export interface CohortRule {
  readonly name: string | undefined;
  readonly test: CohortTest;
  readonly path: string;
}

/** What makes a person a candidate, and on which day. */
export type CohortEntry =
  | {
      readonly kind: "event";
      readonly filter: EventFilter;
      readonly value: ValueCondition | undefined;
      readonly pick: "first" | "last";
      /** ISO days, both included. */
      readonly between: { readonly from: string | undefined; readonly to: string | undefined } | undefined;
      readonly washoutDays: number | undefined;
      readonly partialDates: PartialDates;
    }
  | { readonly kind: "everyone"; readonly at: string };

/** When a person stops being looked at: the earliest of these. What is later counts nowhere. */
export interface Censor {
  readonly death: boolean;
  readonly afterDays: number | undefined;
  readonly at: string | undefined;
  readonly event: EventFilter | undefined;
}

/** A cohort by rules. */
export interface RuleCohort {
  readonly kind: "rules";
  readonly title: string;
  readonly description: string | undefined;
  readonly sources: readonly string[] | undefined;
  readonly valueSets: ReadonlyMap<string, ValueSet>;
  readonly conversions: readonly Conversion[];
  readonly entry: CohortEntry;
  readonly include: readonly CohortRule[];
  readonly exclude: readonly CohortRule[];
  readonly censor: Censor | undefined;
  readonly crossTables: readonly (readonly [string, string])[];
}

/** A cohort made from stored ones; versions are fixed when it is stored. */
export interface CombinedCohort {
  readonly kind: "combined";
  readonly title: string;
  readonly description: string | undefined;
  readonly operation: "union" | "intersect" | "minus";
  readonly of: readonly { readonly id: string; readonly version: number | undefined }[];
  readonly crossTables: readonly (readonly [string, string])[];
}

export type CohortDefinition = RuleCohort | CombinedCohort;
