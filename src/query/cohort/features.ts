import type { ViewColumn } from "../catalog.js";
import type { Conversion, DayWindow, EventFilter, PartialDates, ValueSet } from "./definition.js";
import { describeRows, describeWindow } from "./english.js";
import { badDefinition, JsonNode } from "./json-node.js";
import { parseConversions, parseValueSets } from "./parse.js";
import { FILTER_KEYS, parseFilter, parseWindow } from "./parse-events.js";
import { type CohortStatement, orderSql } from "./statement.js";
import type { TableColumn } from "./table-read.js";

const FUNCTIONS = ["first", "last", "mean", "min", "max", "count", "any"] as const;
const FEATURE_KEYS = [
  ...FILTER_KEYS,
  "name",
  "of",
  "column",
  "unit",
  "within",
  "partialDates",
  "afterIndex",
] as const;
const MOST_FEATURES = 200;
/** Columns that every dataset has. */
const FIXED = ["person_key", "index_start", "index_end", "exit_date", "age_at_index", "sex"];

/** One column of a dataset. */
export interface Feature {
  readonly name: string;
  readonly of: (typeof FUNCTIONS)[number];
  readonly filter: EventFilter;
  readonly column: string | undefined;
  readonly unit: string | undefined;
  readonly within: DayWindow;
  readonly partialDates: PartialDates;
}

/** What a dataset is to hold. */
export interface DatasetRequest {
  readonly features: readonly Feature[];
  readonly valueSets: ReadonlyMap<string, ValueSet>;
  readonly conversions: readonly Conversion[];
}

function parseFeature(node: JsonNode, valueSets: ReadonlyMap<string, ValueSet>): Feature {
  const members = node.object(FEATURE_KEYS);
  const { name, of, column, unit, within, partialDates, afterIndex } = members;
  if (name === undefined || of === undefined) throw badDefinition(node.path, "has to have a name and of.");
  const text = name.text(64);
  if (!/^[a-z][a-z0-9_]*$/.test(text) || FIXED.includes(text)) {
    throw badDefinition(
      name.path,
      `has to be lower-case letters, digits and _, and none of ${FIXED.join(", ")}.`,
    );
  }
  const window = within === undefined ? { from: undefined, to: 0 } : parseWindow(within);
  if ((window.to === undefined || window.to > 0) && afterIndex?.boolean() !== true) {
    throw badDefinition(
      within!.path,
      'reaches past the index day, so that the feature would know what came later; end it at 0, or say "afterIndex": true if that is wanted (an outcome).',
    );
  }
  const chosen = of.word(FUNCTIONS);
  const bare = chosen === "count" || chosen === "any";
  if (bare && (column ?? unit) !== undefined)
    throw badDefinition((column ?? unit)!.path, `is not used by ${chosen}; leave it out.`);
  return {
    name: text,
    of: chosen,
    filter: parseFilter(node, members, valueSets),
    column: column?.text(),
    unit: unit?.text(),
    within: window,
    partialDates: partialDates?.word(["certain", "possible"]) ?? "certain",
  };
}

/**
 * Checks the JSON of a dataset: `{"features": [...], "valueSets": {...}, "conversions": [...]}`; value sets of the cohort may be used, too. Fails
 * with `cohort/bad-definition`.
 */
export function parseDataset(json: unknown, cohortSets: ReadonlyMap<string, ValueSet>): DatasetRequest {
  const members = new JsonNode(json).object(["features", "valueSets", "conversions"]);
  const own = parseValueSets(members["valueSets"]);
  const valueSets = new Map([...cohortSets, ...own]);
  const features = members["features"]?.list().map((node) => parseFeature(node, valueSets)) ?? [];
  if (features.length > MOST_FEATURES)
    throw badDefinition("features", `has more than ${MOST_FEATURES} items.`);
  const twice = features.find(
    ({ name }, index) => features.findIndex((other) => other.name === name) !== index,
  );
  if (twice !== undefined)
    throw badDefinition(twice.filter.path, `there is a feature '${twice.name}' already.`);
  return { features, valueSets: own, conversions: parseConversions(members["conversions"]) };
}

/** A feature as SQL: an aggregate over the pass of its view, and what it left out. */
export interface BoundFeature {
  readonly feature: Feature;
  readonly column: TableColumn;
  /** Name of the pass over its view. */
  readonly scan: string;
  /** Over the scan `r` and members `i`. */
  readonly aggregate: string;
  /** Records that lie in its time, over the same. */
  readonly meant: string;
  /** Those of them that it cannot use, by reason. */
  readonly unusable: Readonly<Record<string, string>>;
}

const NUMERIC = /^(DOUBLE|FLOAT|TINYINT|SMALLINT|INTEGER|BIGINT|DECIMAL)/;

function summary(feature: Feature, what: string): string {
  const window = describeWindow(feature.within);
  const possibly = feature.partialDates === "possible" ? " (possibly, where dates are partial)" : "";
  return `${what} in ${describeRows(feature.filter)}, ${window}${possibly}`;
}

function plain(
  statement: CohortStatement,
  feature: Feature,
  column: ViewColumn,
): Omit<BoundFeature, "column"> {
  const { filter, within, partialDates, of } = feature;
  if (of !== "first" && of !== "last") {
    throw badDefinition(
      `${filter.path}.of`,
      `column '${column.name}' holds no numbers; of is first, last, count or any here.`,
    );
  }
  if (column.sqlType.endsWith("[]"))
    throw badDefinition(`${filter.path}.column`, `column '${column.name}' holds lists.`);
  const { scan, matches: meant, day } = statement.bind({ filter, value: undefined, within, partialDates });
  const value = `r.${scan.column(column.name, `${filter.path}.column`).name}`;
  const order = `row(${orderSql(day, undefined)}, ${value})`;
  const usable = `${meant} AND ${value} IS NOT NULL AND r.${day.low} IS NOT NULL`;
  const aggregate = `${of === "first" ? "arg_min" : "arg_max"}(${value}, ${order}) FILTER (${usable})`;
  return { feature, scan: scan.name, aggregate, meant, unusable: { missing: `${value} IS NULL` } };
}

function measured(statement: CohortStatement, feature: Feature): Omit<BoundFeature, "column"> {
  const { filter, within, partialDates, of } = feature;
  const { scan, matches: meant, day } = statement.bind({ filter, value: undefined, within, partialDates });
  const condition = { column: feature.column, unit: feature.unit, path: filter.path };
  const { value, raw, comparator } = scan.value(condition, statement.cohort.conversions);
  const usable = `${meant} AND r.${value} IS NOT NULL AND r.${comparator} IS NULL AND r.${day.low} IS NOT NULL`;
  const order = orderSql(day, { value, raw, comparator, unit: "", wanted: undefined });
  const aggregates: Readonly<Record<string, string>> = {
    first: `arg_min(r.${value}, ${order})`,
    last: `arg_max(r.${value}, ${order})`,
    min: `min(r.${value})`,
    max: `max(r.${value})`,
  };
  const aggregate =
    of === "mean"
      ? // Summed in a fixed order, since the last digit of a sum of doubles depends on it.
        `list_avg(list(r.${value} ORDER BY r.${value}) FILTER (${usable}))`
      : `${aggregates[of]!} FILTER (${usable})`;
  const unusable = {
    missing: `r.${raw} IS NULL`,
    unconvertible: `r.${raw} IS NOT NULL AND r.${value} IS NULL`,
    inexact: `r.${value} IS NOT NULL AND r.${comparator} IS NOT NULL`,
  };
  return { feature, scan: scan.name, aggregate, meant, unusable };
}

/** Binds a feature to the pass over its view. Fails with `cohort/bad-definition`. */
export function bindFeature(statement: CohortStatement, feature: Feature): BoundFeature {
  const { filter, name, of, within, partialDates } = feature;
  if (of === "count" || of === "any") {
    const { scan, matches: meant } = statement.bind({ filter, value: undefined, within, partialDates });
    const aggregate =
      of === "count" ? `count(DISTINCT r.k) FILTER (${meant})` : `coalesce(bool_or(${meant}), false)`;
    const sqlType = of === "count" ? "BIGINT" : "BOOLEAN";
    const description = summary(feature, of === "count" ? "number of records" : "whether there is a record");
    return {
      feature,
      column: { name, sqlType, description },
      scan: scan.name,
      aggregate,
      meant,
      unusable: {},
    };
  }
  const { shape } = statement.scan(filter);
  const column = shape.column(feature.column ?? "value_number", `${filter.path}.column`);
  const numeric = NUMERIC.test(column.sqlType);
  if (!numeric && feature.unit !== undefined)
    throw badDefinition(`${filter.path}.unit`, `column '${column.name}' holds no numbers.`);
  const bound = numeric ? measured(statement, feature) : plain(statement, feature, column);
  const unit = feature.unit === undefined || feature.unit === "any" ? "" : ` in ${feature.unit}`;
  const description = summary(feature, `${of} ${column.name}${unit}`);
  return { ...bound, column: { name, sqlType: numeric ? "DOUBLE" : column.sqlType, description } };
}
