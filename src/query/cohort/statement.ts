import { LakeError } from "#kernel";
import type { SnapshotReader } from "../catalog.js";
import { requireReady, unknownView } from "../errors.js";
import { Bindings } from "./bindings.js";
import type {
  CohortTest,
  DayWindow,
  EventFilter,
  EventTest,
  PartialDates,
  RuleCohort,
} from "./definition.js";
import { badDefinition } from "./json-node.js";
import { patientsSql } from "./persons-sql.js";
import { valueTest } from "./row-sql.js";
import { type DayNames, Scan, type ScanContext, type UnitsOf, type ValueNames } from "./scan.js";
import { ViewShape } from "./view-shape.js";

/** A criterion over a view, bound to the pass that reads the view. */
export interface BoundEvents {
  /** Where it stands in the definition. */
  readonly path: string;
  readonly scan: Scan;
  readonly flag: string;
  readonly day: DayNames;
  readonly value: ValueNames | undefined;
  /** True for rows that it means and whose value is right, whenever they are; over the scan `r`. */
  readonly meets: string;
  /** True for those of them that lie in its time; over the scan `r` and the index `i`. */
  readonly matches: string;
  /** It cannot be met by rows without a day. */
  readonly dated: boolean;
}

/** SQL over the scan `r` and the index `i`: does the day lie in the window, and not after the end of observation? */
export function windowSql(day: DayNames, within: DayWindow | undefined, partialDates: PartialDates): string {
  const [low, high] = [`r.${day.low}`, `r.${day.high}`];
  const certain = partialDates === "certain";
  const parts = [`(i.exit IS NULL OR coalesce(${certain ? high : low} <= i.exit, false))`];
  const { from, to } = within ?? {};
  if (from !== undefined) parts.push(certain ? `${low} - i.high >= ${from}` : `${high} - i.low >= ${from}`);
  if (to !== undefined) parts.push(certain ? `${high} - i.low <= ${to}` : `${low} - i.high <= ${to}`);
  return parts.length === 1 ? parts[0]! : `coalesce(${parts.join(" AND ")}, false)`;
}

/** Sorts rows of a scan by day, then moment, then resource, then value: the order that "first" and "latest" go by. */
export function orderSql(day: DayNames, value: ValueNames | undefined): string {
  const last = value === undefined ? [] : [`r.${value.raw}`];
  return `row(${[`r.${day.low}`, `coalesce(r.${day.moment}, TIMESTAMPTZ '-infinity')`, "r.k", ...last].join(", ")})`;
}

function years(from: string, to: string): string {
  const date = (days: string): string => `(DATE '1970-01-01' + ${days})`;
  const monthDay = (days: string): string => `(month(${date(days)}) * 100 + day(${date(days)}))`;
  return `(year(${date(to)}) - year(${date(from)}) - CASE WHEN ${monthDay(to)} < ${monthDay(from)} THEN 1 ELSE 0 END)`;
}

/** SQL of full years between two day numbers. */
export { years as yearsSql };

/** Persons that come from elsewhere: from other cohorts. */
export interface Given {
  /** A SELECT of `person, low, high, exit, mask`. */
  readonly sql: string;
  /** Selects those who belong to the cohort. */
  readonly isMember: string;
}

/** What a statement may be built on. */
export interface StatementOptions {
  /** Those of the statement that this one becomes a part of. */
  readonly bindings?: Bindings;
  /** Takes the place of the cohort's own entry and rules. */
  readonly given?: Given;
}

/**
 * The statement of one cohort by rules over one snapshot, built in parts: passes over views, persons, index, one aggregate per criterion,
 * a bit per rule. Everything that may be asked of the cohort is a SELECT over these common table expressions.
 */
export class CohortStatement {
  readonly bindings: Bindings;
  readonly cohort: RuleCohort;
  /** Every criterion over a view, in the order of the definition; the entry first. */
  readonly events: BoundEvents[] = [];
  readonly snapshot: SnapshotReader;
  private readonly scans = new Map<string, Scan>();
  private readonly facts = new Map<Scan, string[]>();
  private readonly context: ScanContext;
  private readonly given: Given | undefined;

  constructor(cohort: RuleCohort, snapshot: SnapshotReader, units: UnitsOf, more: StatementOptions = {}) {
    const bindings = more.bindings ?? new Bindings();
    this.cohort = cohort;
    this.snapshot = snapshot;
    this.bindings = bindings;
    this.given = more.given;
    this.context = { bindings, sources: cohort.sources, units };
  }

  /** The one pass over a view. Fails with `cohort/bad-definition` when the snapshot has no such view. */
  scan(filter: Pick<EventFilter, "view" | "path">): Scan {
    const known = this.scans.get(filter.view);
    if (known !== undefined) return known;
    const view = this.snapshot.views.get(filter.view);
    if (view === undefined) {
      const { message } = unknownView(filter.view, this.snapshot.views);
      throw badDefinition(`${filter.path}.view`, message);
    }
    requireReady(view);
    const scan = new Scan(new ViewShape(view), `rows${this.scans.size}`, this.context);
    this.scans.set(filter.view, scan);
    return scan;
  }

  /** Binds a criterion to the pass over its view. */
  bind(test: Omit<EventTest, "kind" | "pick" | "count">): BoundEvents {
    const { filter, value: condition, within, partialDates } = test;
    const { valueSets, conversions } = this.cohort;
    const scan = this.scan(filter);
    const dates = scan.shape.dates(filter.date, filter.path);
    if (within !== undefined && dates.length === 0) {
      throw badDefinition(`${filter.path}.within`, `view '${filter.view}' has no dates.`);
    }
    const day = scan.day(dates);
    const value = condition === undefined ? undefined : scan.value(condition, conversions);
    const flag = scan.flag(filter, valueSets);
    const meets =
      condition === undefined ? `r.${flag}` : `r.${flag} AND ${this.valueHolds(condition, value!)}`;
    const matches = `${meets} AND ${windowSql(day, within, partialDates)}`;
    const dated = within !== undefined || this.cohort.censor !== undefined;
    const bound = { path: filter.path, scan, flag, day, value, meets, matches, dated };
    this.events.push(bound);
    return bound;
  }

  private valueHolds(condition: NonNullable<EventTest["value"]>, value: ValueNames): string {
    return valueTest(this.bindings, condition, `r.${value.value}`, `r.${value.comparator}`);
  }

  private fact(scan: Scan, sql: string): string {
    const facts = this.facts.get(scan) ?? [];
    this.facts.set(scan, facts);
    const name = `a${facts.length}`;
    facts.push(`${sql} AS ${name}`);
    return `facts_${scan.name}.${name}`;
  }

  private eventTest(test: EventTest): string {
    const bound = this.bind(test.pick === "any" ? test : { ...test, value: undefined });
    const { scan, day, matches } = bound;
    if (test.pick !== "any") {
      const value = scan.value(test.value!, this.cohort.conversions);
      this.events[this.events.length - 1] = { ...bound, value };
      const choose = test.pick === "latest" ? "arg_max" : "arg_min";
      const candidates = `${matches} AND r.${value.raw} IS NOT NULL AND r.${day.low} IS NOT NULL`;
      const holds = this.valueHolds(test.value!, value);
      return `coalesce(${this.fact(scan, `${choose}(${holds}, ${orderSql(day, value)}) FILTER (${candidates})`)}, false)`;
    }
    const { min, max, apartDays } = test.count;
    if (min === 1 && max === undefined) {
      return `coalesce(${this.fact(scan, `bool_or(${matches})`)}, false)`;
    }
    const count =
      apartDays === 0
        ? `count(DISTINCT r.k) FILTER (${matches})`
        : // The longest chain: always go on with the event that is over first.
          `list_reduce(coalesce(list({'a': r.${day.low}, 'b': r.${day.high}} ORDER BY r.${day.high}, r.${day.low}) FILTER (${matches} AND r.${day.low} IS NOT NULL), []), lambda seen, x: CASE WHEN x.a - seen.b >= ${apartDays} THEN {'a': seen.a + 1, 'b': x.b} ELSE seen END, {'a': 0::INTEGER, 'b': -100000000::INTEGER}).a`;
    const seen = `coalesce(${this.fact(scan, count)}, 0)`;
    return `(${seen} >= ${min}${max === undefined ? "" : ` AND ${seen} <= ${max}`})`;
  }

  private test(test: CohortTest): string {
    switch (test.kind) {
      case "events":
        return this.eventTest(test);
      case "age": {
        const youngest = years("q.birth_high", "i.low");
        const oldest = years("q.birth_low", "i.high");
        const low = test.low === undefined ? [] : [`${youngest} >= ${test.low}`];
        const below = test.below === undefined ? [] : [`${oldest} < ${test.below}`];
        return `coalesce(${[...low, ...below].join(" AND ")}, false)`;
      }
      case "sex":
        return `coalesce(q.gender IN ${this.bindings.texts(test.codes)}, false)`;
      case "not":
        return `NOT ${this.test(test.test)}`;
      default:
        return `(${test.tests.map((one) => this.test(one)).join(test.kind === "any" ? " OR " : " AND ")})`;
    }
  }

  private indexSql(): string {
    const { entry } = this.cohort;
    if (entry.kind === "everyone") {
      const day = `CAST(${this.bindings.day(entry.at)} AS INTEGER)`;
      return `entered AS (SELECT DISTINCT person, ${day} AS low, ${day} AS high FROM patients)`;
    }
    const { filter, value, between, washoutDays, partialDates } = entry;
    const bound = this.bind({ filter, value, within: undefined, partialDates });
    const { scan, day } = bound;
    if (scan.shape.dates(filter.date, filter.path).length === 0) {
      throw badDefinition(filter.path, `view '${filter.view}' has no dates, so its rows make no index day.`);
    }
    const rows = `${bound.meets} AND r.person IS NOT NULL AND r.${day.low} IS NOT NULL`;
    const fits = ["true"];
    if (washoutDays !== undefined) fits.push(`(prior IS NULL OR prior < low - ${washoutDays})`);
    const certain = partialDates === "certain";
    if (between?.from !== undefined)
      fits.push(`${certain ? "low" : "high"} >= ${this.bindings.day(between.from)}`);
    if (between?.to !== undefined)
      fits.push(`${certain ? "high" : "low"} <= ${this.bindings.day(between.to)}`);
    const prior = `max(r.${day.high}) OVER (PARTITION BY r.person ORDER BY r.${day.low} RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)`;
    const choose = entry.pick === "first" ? "arg_min" : "arg_max";
    return `candidates AS (SELECT r.person, r.${day.low} AS low, r.${day.high} AS high, ${orderSql(day, undefined)} AS sorting, ${washoutDays === undefined ? "NULL" : prior} AS prior FROM ${scan.name} AS r WHERE ${rows}),
entered AS (SELECT person, ${choose}(low, sorting) AS low, ${choose}(high, sorting) AS high FROM candidates WHERE ${fits.join(" AND ")} GROUP BY person)`;
  }

  private exitSql(): string {
    const { censor } = this.cohort;
    if (censor === undefined) return "idx AS MATERIALIZED (SELECT *, NULL::INTEGER AS exit FROM entered)";
    const ends: string[] = [];
    const joins: string[] = [];
    if (censor.death) {
      ends.push("persons.death_low");
      joins.push("LEFT JOIN persons USING (person)");
    }
    if (censor.at !== undefined) ends.push(`CAST(${this.bindings.day(censor.at)} AS INTEGER)`);
    if (censor.afterDays !== undefined) ends.push(`e.low + ${censor.afterDays}`);
    if (censor.event !== undefined) {
      const scan = this.scan(censor.event);
      const dates = scan.shape.dates(censor.event.date, censor.event.path);
      if (dates.length === 0)
        throw badDefinition(censor.event.path, `view '${censor.event.view}' has no dates.`);
      const day = scan.day(dates);
      const flag = scan.flag(censor.event, this.cohort.valueSets);
      ends.push("ended.low");
      joins.push(
        `LEFT JOIN (SELECT r.person, min(r.${day.low}) AS low FROM ${scan.name} AS r JOIN entered AS e ON e.person = r.person WHERE r.${flag} AND r.${day.low} > e.low GROUP BY r.person) AS ended USING (person)`,
      );
    }
    // least() passes NULL over.
    return `idx AS MATERIALIZED (SELECT e.*, CAST(least(${ends.join(", ")}) AS INTEGER) AS exit FROM entered AS e ${joins.join(" ")})`;
  }

  /** Boolean expressions of the rules in the order of attrition, each true for a person who stays. */
  private rules(): string[] {
    const observed = this.cohort.censor === undefined ? [] : ["(i.exit IS NULL OR i.exit >= i.low)"];
    const include = this.cohort.include.map(({ test }) => this.test(test));
    const exclude = this.cohort.exclude.map(({ test }) => `NOT ${this.test(test)}`);
    return [...observed, ...include, ...exclude];
  }

  /** Selects members among the rows of `marked`. */
  get isMember(): string {
    if (this.given !== undefined) return this.given.isMember;
    const { censor, include, exclude } = this.cohort;
    const ruleCount = (censor === undefined ? 0 : 1) + include.length + exclude.length;
    return `mask = ${2n ** BigInt(ruleCount) - 1n}`;
  }

  private scansSql(): Promise<string[]> {
    return Promise.all([...this.scans.values()].map((scan) => scan.sql()));
  }

  /**
   * The common table expressions, without WITH RECURSIVE: `patients`, `persons`, `idx(person, low, high, exit)` and
   * `marked(person, low, high, exit, mask)`, with a bit per rule in `mask`. Bind everything else that the statement is to read before.
   */
  async sql(): Promise<string> {
    const patients = await patientsSql(this.bindings, this.snapshot, this.cohort.sources);
    const persons = "persons AS MATERIALIZED (SELECT * FROM patients WHERE p = person)";
    if (this.given !== undefined) {
      const marked = `marked AS MATERIALIZED (${this.given.sql})`;
      const idx = "idx AS (SELECT person, low, high, exit FROM marked)";
      return [patients, persons, marked, idx, ...(await this.scansSql())].join(",\n");
    }
    const [index, rules, exit] = [this.indexSql(), this.rules(), this.exitSql()];
    const scans = await this.scansSql();
    const facts = [...this.facts].map(
      ([{ name }, all]) =>
        `facts_${name} AS (SELECT r.person, ${all.join(", ")} FROM ${name} AS r JOIN idx AS i ON i.person = r.person GROUP BY r.person)`,
    );
    const joins = [...this.facts.keys()].map(
      ({ name }) => `LEFT JOIN facts_${name} ON facts_${name}.person = i.person`,
    );
    const bits = rules.map((rule, bit) => `(CASE WHEN ${rule} THEN ${2n ** BigInt(bit)} ELSE 0 END)::BIGINT`);
    const mask = bits.length === 0 ? "0::BIGINT" : bits.join(" + ");
    return [
      patients,
      persons,
      ...scans,
      index,
      exit,
      ...facts,
      `marked AS MATERIALIZED (SELECT i.person, i.low, i.high, i.exit, ${mask} AS mask FROM idx AS i JOIN persons AS q ON q.person = i.person ${joins.join(" ")})`,
    ].join(",\n");
  }
}

/** A stored cohort can no longer be computed because the lake's views have changed. */
export function cohortOutdated(id: string, cause: LakeError): LakeError {
  return new LakeError(
    "conflict",
    "cohort/outdated",
    `Cohort '${id}' does not fit the views of this snapshot: ${cause.message}`,
    { details: cause.details, cause },
  );
}
