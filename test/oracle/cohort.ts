/**
 * A second opinion on cohorts: one person after the other, one row after the other, in plain code that shares nothing with the statement
 * but the types of the definition. Slow and meant to be.
 */
import type {
  CohortTest,
  EventFilter,
  EventTest,
  PartialDates,
  RuleCohort,
  ValueCondition,
} from "../../src/query/cohort/definition.js";

/** A row of a view as the oracle reads it: every column by name, `key` the resource. */
export type OracleRow = Readonly<Record<string, string | number | boolean | null>> & { readonly key: string };

/** The views of a lake. */
export type OracleViews = Readonly<Record<string, readonly OracleRow[]>>;

/** What is to be known of a person with an index. */
export interface OraclePerson {
  readonly low: number;
  readonly high: number;
  readonly exit: number | null;
  readonly passes: readonly boolean[];
}

interface Interval {
  readonly low: number;
  readonly high: number;
}

const DAY_MS = 86_400_000;

/** Days since 1970 that a FHIR date text can mean. */
export function daysOf(text: unknown): Interval | undefined {
  if (typeof text !== "string") return undefined;
  const match = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?/.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2] ?? 1), Number(match[3] ?? 1)];
  const low = Date.UTC(year, month - 1, day) / DAY_MS;
  if (match[2] === undefined) return { low, high: Date.UTC(year, 11, 31) / DAY_MS };
  if (match[3] === undefined) return { low, high: Date.UTC(year, month, 0) / DAY_MS };
  return { low, high: low };
}

/** How many birthdays lie between two days. */
function fullYears(birth: number, day: number): number {
  const [from, to] = [new Date(birth * DAY_MS), new Date(day * DAY_MS)];
  let years = to.getUTCFullYear() - from.getUTCFullYear();
  const early =
    to.getUTCMonth() < from.getUTCMonth() ||
    (to.getUTCMonth() === from.getUTCMonth() && to.getUTCDate() < from.getUTCDate());
  if (early) years--;
  return years;
}

/** What the units of the fixtures are in others; everything else is not convertible. */
const FACTORS: Readonly<Record<string, number>> = {
  "mg/dL>g/L": 0.01,
  "g/L>mg/dL": 100,
  "ug/mL>g/L": 0.001,
  "ug/mL>mg/dL": 0.1,
};

/** One lake, seen by the oracle. */
export class CohortOracle {
  private readonly cohort: RuleCohort;
  private readonly views: OracleViews;
  private readonly dates: Readonly<Record<string, readonly string[]>>;

  constructor(cohort: RuleCohort, views: OracleViews, dates: Readonly<Record<string, readonly string[]>>) {
    this.cohort = cohort;
    this.views = views;
    this.dates = dates;
  }

  private inSources(patient: unknown): boolean {
    const { sources } = this.cohort;
    return typeof patient === "string" && (sources === undefined || sources.includes(patient.split("/")[0]!));
  }

  /** The person of each patient record. */
  persons(): Map<string, string> {
    const records = new Map(
      this.views["patient_demographics"]!.filter((row) => this.inSources(row["patient_key"])).map((row) => [
        row["patient_key"] as string,
        row["replaced_by_key"] as string | null,
      ]),
    );
    return new Map(
      [...records.keys()].map((start) => {
        const path: string[] = [];
        let at = start;
        for (;;) {
          const next = records.get(at);
          if (next === null || next === undefined || next === at || !records.has(next)) return [start, at];
          const turn = path.indexOf(next);
          if (turn >= 0) return [start, [...path.slice(turn)].sort()[0]!];
          path.push(next);
          at = next;
        }
      }),
    );
  }

  private codeMatches(row: OracleRow, filter: EventFilter): boolean {
    if (filter.in.length === 0) return true;
    const pairs: [string, unknown][] = [[String(row["code_system"]), row["code"]]];
    if ("loinc_code" in row) pairs.push(["http://loinc.org", row["loinc_code"]]);
    return filter.in.some((name) => {
      const set = this.cohort.valueSets.get(name)!;
      return pairs.some(([system, code]) => {
        if (typeof code !== "string") return false;
        const of = (wanted: string | undefined): boolean => wanted === undefined || wanted === system;
        if (set.without.some((one) => of(one.system) && one.code === code)) return false;
        if (set.codes.some((one) => of(one.system) && one.code === code)) return true;
        return set.prefixes.some((one) => of(one.system) && code.startsWith(one.prefix));
      });
    });
  }

  meant(row: OracleRow, filter: EventFilter): boolean {
    if (filter.records === "valid") {
      if (["entered-in-error", "cancelled", "not-done"].includes(String(row["status"]))) return false;
      if (["entered-in-error", "refuted"].includes(String(row["verification_status"]))) return false;
    }
    const fits = filter.where.every(({ column, operator, values, negated }) => {
      const value = row[column];
      if (operator === "isNull") return (value === null) !== negated;
      if (operator === "ne" || operator === "notIn") return value === null || !values.includes(String(value));
      if (operator === "eq" || operator === "in") return value !== null && values.includes(String(value));
      throw new Error(`the oracle knows no ${operator}`);
    });
    return fits && this.codeMatches(row, filter);
  }

  day(row: OracleRow, filter: EventFilter): Interval | undefined {
    for (const name of filter.date ?? this.dates[filter.view]!) {
      const days = daysOf(row[name]);
      if (days !== undefined) return days;
    }
    return undefined;
  }

  moment(row: OracleRow, filter: EventFilter): number {
    for (const name of filter.date ?? this.dates[filter.view]!) {
      if (daysOf(row[name]) === undefined) continue;
      const text = row[name] as string;
      return text.includes("T") ? Date.parse(text) : Number.NEGATIVE_INFINITY;
    }
    return Number.NEGATIVE_INFINITY;
  }

  /** The value in the wanted unit: null when there is none, undefined when it cannot be converted. */
  value(row: OracleRow, unit: string | undefined): number | null | undefined {
    const raw = row["value_number"] as number | null;
    if (raw === null) return null;
    if (unit === undefined || unit === "any") return raw;
    const own = row["unit_code"] as string | null;
    if (own === null) return undefined;
    if (own === unit) return raw;
    const special = this.cohort.conversions.find(
      ({ code, from, to }) =>
        from === own && to === unit && (row["code"] === code || row["loinc_code"] === code),
    );
    const round = (value: number): number => Number(value.toPrecision(10));
    if (special !== undefined) return round(raw * special.factor + special.offset);
    const factor = FACTORS[`${own}>${unit}`];
    return factor === undefined ? undefined : round(raw * factor);
  }

  private holds(row: OracleRow, { unit, low, high }: ValueCondition): boolean {
    const value = this.value(row, unit);
    if (value === null || value === undefined) return false;
    // The values it may truly have, as an interval whose ends belong to it or not.
    let [from, to, openFrom, openTo] = [value, value, false, false];
    const comparator = row["comparator"] as string | null;
    if (comparator?.startsWith("<")) {
      [from, openTo] = [Number.NEGATIVE_INFINITY, comparator === "<"];
    } else if (comparator?.startsWith(">")) {
      [to, openFrom] = [Number.POSITIVE_INFINITY, comparator === ">"];
    }
    const above = low === undefined || from > low.value || (from === low.value && (!low.open || openFrom));
    const below = high === undefined || to < high.value || (to === high.value && (!high.open || openTo));
    return above && below;
  }

  private inTime(
    row: OracleRow,
    test: Pick<EventTest, "filter" | "within" | "partialDates">,
    index: { readonly low: number; readonly high: number; readonly exit: number | null },
  ): boolean {
    const { within, partialDates } = test;
    const day = this.day(row, test.filter);
    if (within === undefined && index.exit === null) return true;
    if (day === undefined) return false;
    const offsets: boolean[] = [];
    // Ends of the intervals decide; a year of days on both sides would only take longer.
    for (const at of [day.low, day.high]) {
      for (const zero of [index.low, index.high]) {
        const offset = at - zero;
        const from = within?.from ?? Number.NEGATIVE_INFINITY;
        const to = within?.to ?? Number.POSITIVE_INFINITY;
        offsets.push(offset >= from && offset <= to);
      }
    }
    const inside = partialDates === "certain" ? offsets.every(Boolean) : this.overlaps(day, index, within);
    const last = partialDates === "certain" ? day.high : day.low;
    return inside && (index.exit === null || last <= index.exit);
  }

  private overlaps(day: Interval, index: Interval, within: EventTest["within"]): boolean {
    for (let zero = index.low; zero <= index.high; zero++) {
      for (let at = day.low; at <= day.high; at++) {
        const offset = at - zero;
        const from = within?.from ?? Number.NEGATIVE_INFINITY;
        if (offset >= from && offset <= (within?.to ?? Number.POSITIVE_INFINITY)) return true;
      }
    }
    return false;
  }

  /** Rows of a person that a test means and that lie in its time, without its value. */
  candidates(
    rows: readonly OracleRow[],
    test: Pick<EventTest, "filter" | "within" | "partialDates">,
    index: { readonly low: number; readonly high: number; readonly exit: number | null },
  ): readonly OracleRow[] {
    return rows.filter((row) => this.meant(row, test.filter) && this.inTime(row, test, index));
  }

  /** Sorted by day, moment, resource, value. */
  sorted(rows: readonly OracleRow[], filter: EventFilter): readonly OracleRow[] {
    const dated = rows.filter((row) => this.day(row, filter) !== undefined);
    const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
    const number = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);
    return [...dated].sort(
      (a, b) =>
        number(this.day(a, filter)!.low, this.day(b, filter)!.low) ||
        number(this.moment(a, filter), this.moment(b, filter)) ||
        text(a.key, b.key) ||
        number((a["value_number"] as number | null) ?? 0, (b["value_number"] as number | null) ?? 0),
    );
  }

  /** The longest chain of events of which each is surely so many days after the one before, by trying all. */
  private chain(rows: readonly OracleRow[], filter: EventFilter, apart: number): number {
    const days = rows.flatMap((row) => this.day(row, filter) ?? []);
    const best = new Map<Interval, number>();
    const longest = (from: Interval): number => {
      const known = best.get(from);
      if (known !== undefined) return known;
      const next = days.filter((day) => day !== from && day.low - from.high >= apart).map(longest);
      const length = 1 + Math.max(0, ...next);
      best.set(from, length);
      return length;
    };
    return Math.max(0, ...days.map(longest));
  }

  private events(
    test: EventTest,
    rowsOf: (view: string) => readonly OracleRow[],
    index: OraclePerson,
  ): boolean {
    const candidates = this.candidates(rowsOf(test.filter.view), test, index);
    if (test.pick !== "any") {
      const valued = this.sorted(
        candidates.filter((row) => row["value_number"] !== null),
        test.filter,
      );
      const row = test.pick === "latest" ? valued.at(-1) : valued[0];
      return row !== undefined && this.holds(row, test.value!);
    }
    const good = candidates.filter((row) => test.value === undefined || this.holds(row, test.value));
    const { min, max, apartDays } = test.count;
    const count =
      apartDays === 0 ? new Set(good.map(({ key }) => key)).size : this.chain(good, test.filter, apartDays);
    return count >= min && (max === undefined || count <= max);
  }

  private test(
    test: CohortTest,
    person: string,
    rowsOf: (view: string) => readonly OracleRow[],
    index: OraclePerson,
  ): boolean {
    const record = this.views["patient_demographics"]!.find((row) => row["patient_key"] === person)!;
    switch (test.kind) {
      case "events":
        return this.events(test, rowsOf, index);
      case "sex":
        return test.codes.includes(String(record["gender"]));
      case "age": {
        const birth = daysOf(record["birth_date"]);
        if (birth === undefined) return false;
        const [least, most] = [fullYears(birth.high, index.low), fullYears(birth.low, index.high)];
        return (
          (test.low === undefined || least >= test.low) && (test.below === undefined || most < test.below)
        );
      }
      case "not":
        return !this.test(test.test, person, rowsOf, index);
      case "all":
        return test.tests.every((one) => this.test(one, person, rowsOf, index));
      case "any":
        return test.tests.some((one) => this.test(one, person, rowsOf, index));
    }
  }

  private index(rows: readonly OracleRow[]): Interval | undefined {
    const { entry } = this.cohort;
    if (entry.kind === "everyone") return daysOf(entry.at);
    const { filter, value, between, washoutDays, pick, partialDates } = entry;
    const events = this.sorted(
      rows.filter((row) => this.meant(row, filter) && (value === undefined || this.holds(row, value))),
      filter,
    );
    const certain = (partialDates satisfies PartialDates) === "certain";
    const [first, last] = [daysOf(between?.from), daysOf(between?.to)];
    const fit = events.filter((row) => {
      const day = this.day(row, filter)!;
      if (first !== undefined && (certain ? day.low : day.high) < first.low) return false;
      if (last !== undefined && (certain ? day.high : day.low) > last.low) return false;
      if (washoutDays === undefined) return true;
      return !events.some((other) => {
        const before = this.day(other, filter)!;
        return before.low < day.low && before.high >= day.low - washoutDays;
      });
    });
    const row = pick === "first" ? fit[0] : fit.at(-1);
    return row === undefined ? undefined : this.day(row, filter);
  }

  private exit(
    person: string,
    rowsOf: (view: string) => readonly OracleRow[],
    index: Interval,
  ): number | null {
    const { censor } = this.cohort;
    if (censor === undefined) return null;
    const ends: number[] = [];
    if (censor.death) {
      const record = this.views["patient_demographics"]!.find((row) => row["patient_key"] === person)!;
      const death = daysOf(record["deceased_date"]);
      if (death !== undefined) ends.push(death.low);
    }
    if (censor.at !== undefined) ends.push(daysOf(censor.at)!.low);
    if (censor.afterDays !== undefined) ends.push(index.low + censor.afterDays);
    if (censor.event !== undefined) {
      const { event } = censor;
      for (const row of rowsOf(event.view)) {
        const day = this.meant(row, event) ? this.day(row, event) : undefined;
        if (day !== undefined && day.low > index.low) ends.push(day.low);
      }
    }
    return ends.length === 0 ? null : Math.min(...ends);
  }

  /** Rows by view that belong to a person. */
  rowsOf(person: string, persons: ReadonlyMap<string, string>): (view: string) => readonly OracleRow[] {
    return (view) => this.views[view]!.filter((row) => persons.get(String(row["patient_key"])) === person);
  }

  /** Everybody with an index: what each rule says, in the order of attrition. */
  evaluate(): Map<string, OraclePerson> {
    const persons = this.persons();
    const found = new Map<string, OraclePerson>();
    for (const person of new Set(persons.values())) {
      const rowsOf = this.rowsOf(person, persons);
      const { entry, censor, include, exclude } = this.cohort;
      const index = this.index(entry.kind === "everyone" ? [] : rowsOf(entry.filter.view));
      if (index === undefined) continue;
      const exit = this.exit(person, rowsOf, index);
      const state = { ...index, exit, passes: [] };
      const passes = [
        ...(censor === undefined ? [] : [exit === null || exit >= index.low]),
        ...include.map((rule) => this.test(rule.test, person, rowsOf, state)),
        ...exclude.map((rule) => !this.test(rule.test, person, rowsOf, state)),
      ];
      found.set(person, { ...index, exit, passes });
    }
    return found;
  }
}
