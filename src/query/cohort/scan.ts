import { quoteIdentifier } from "#duckdb";
import type { Bindings } from "./bindings.js";
import type { Conversion, EventFilter, ValueCondition, ValueSet } from "./definition.js";
import { badDefinition } from "./json-node.js";
import { column, convertedSql, daySql, filterSql, unitJoin, valueSpec } from "./row-sql.js";
import type { Linear } from "./units.js";
import type { DateColumn, ViewShape } from "./view-shape.js";

/** Names under which a row's day stands in a scan. */
export interface DayNames {
  readonly low: string;
  readonly high: string;
  readonly moment: string;
}

/** Names under which a row's value stands in a scan. */
export interface ValueNames {
  /** Converted; NULL when it cannot be. */
  readonly value: string;
  /** As in the view. */
  readonly raw: string;
  readonly comparator: string;
  readonly unit: string;
  /** The unit that values were converted to. */
  readonly wanted: string | undefined;
}

/** What conversion of a view's values needs: the units that stand in a column, by wanted unit. */
export type UnitsOf = (view: string, unitColumn: string, wanted: string) => ReadonlyMap<string, Linear>;

/** What a scan knows beyond its view. */
export interface ScanContext {
  readonly bindings: Bindings;
  readonly sources: readonly string[] | undefined;
  readonly units: UnitsOf;
}

/**
 * One pass over one view for everything that is asked of it: rows that any criterion means, with a flag for each, their days and their
 * converted values. Ask for all parts first, then for {@link sql}.
 */
export class Scan {
  readonly shape: ViewShape;
  readonly name: string;
  private readonly context: ScanContext;
  private readonly flags: string[] = [];
  private readonly items = new Map<string, string>();
  private readonly joins: string[] = [];
  private readonly days = new Map<string, DayNames>();
  private readonly values = new Map<string, ValueNames>();

  constructor(shape: ViewShape, name: string, context: ScanContext) {
    this.shape = shape;
    this.name = name;
    this.context = context;
    if (!shape.has("patient_key")) {
      throw badDefinition("", `view '${shape.view.name}' has no patient_key, so its rows belong to nobody.`);
    }
  }

  /** A boolean column that says which rows the filter means. */
  flag(filter: EventFilter, valueSets: ReadonlyMap<string, ValueSet>): string {
    const name = `f${this.flags.length}`;
    this.flags.push(`${filterSql(this.context.bindings, this.shape, filter, valueSets)} AS ${name}`);
    return name;
  }

  /** Columns with the day of a row. */
  day(dates: readonly DateColumn[]): DayNames {
    const key = dates.map(({ name }) => name).join(" ");
    const known = this.days.get(key);
    if (known !== undefined) return known;
    const prefix = `d${this.days.size}`;
    const names = { low: `${prefix}_low`, high: `${prefix}_high`, moment: `${prefix}_at` };
    const { low, high, moment } = daySql(dates);
    this.items.set(names.low, low);
    this.items.set(names.high, high);
    this.items.set(names.moment, moment);
    this.days.set(key, names);
    return names;
  }

  /** Columns with a value of a row in the wanted unit. */
  value(
    condition: Pick<ValueCondition, "column" | "unit" | "path">,
    conversions: readonly Conversion[],
  ): ValueNames {
    const spec = valueSpec(this.shape, condition);
    const key = JSON.stringify([spec.columns.value, spec.unit]);
    const known = this.values.get(key);
    if (known !== undefined) return known;
    const prefix = `v${this.values.size}`;
    const { bindings, units } = this.context;
    if (spec.unit !== undefined && spec.columns.unit !== undefined) {
      const known = units(this.shape.view.name, spec.columns.unit, spec.unit);
      this.joins.push(unitJoin(bindings, spec.columns.unit, known, `u${this.values.size}`));
    }
    const text = (name: string | undefined): string => (name === undefined ? "NULL::VARCHAR" : column(name));
    const names = {
      value: prefix,
      raw: `${prefix}_raw`,
      comparator: `${prefix}_cmp`,
      unit: `${prefix}_unit`,
      wanted: spec.unit,
    };
    this.items.set(
      names.value,
      convertedSql(bindings, this.shape, spec, conversions, `u${this.values.size}`),
    );
    this.items.set(names.raw, `CAST(${column(spec.columns.value)} AS DOUBLE)`);
    this.items.set(names.comparator, text(spec.columns.comparator));
    this.items.set(names.unit, text(spec.columns.unit));
    this.values.set(key, names);
    return names;
  }

  /** A column of the view as it is. */
  column(name: string, path: string): { readonly name: string; readonly sqlType: string } {
    const { sqlType } = this.shape.column(name, path);
    const alias = `c_${name}`;
    this.items.set(alias, column(name));
    return { name: quoteIdentifier(alias), sqlType };
  }

  /**
   * The pass as a common table expression; `person` is NULL for a row whose patient the lake does not have. A view that nothing is
   * asked of is not read.
   */
  async sql(): Promise<string> {
    const { bindings, sources } = this.context;
    const items = [...this.items].map(([name, sql]) => `${sql} AS ${quoteIdentifier(name)}`);
    const where = this.flags.map((_, index) => `f${index}`).join(" OR ");
    const of =
      sources === undefined ? "" : `WHERE split_part(b.patient_key, '/', 1) IN ${bindings.texts(sources)}`;
    const inner = `SELECT ${["b._lake_key AS k", "b.patient_key AS p", ...this.flags, ...items].join(", ")} FROM ${await this.shape.view.relation()} AS b ${this.joins.join(" ")} ${of}`;
    return `${this.name} AS MATERIALIZED (SELECT patients.person, r.* FROM (SELECT * FROM (${inner}) WHERE ${where === "" ? "false" : where}) AS r LEFT JOIN patients ON patients.p = r.p)`;
  }
}
