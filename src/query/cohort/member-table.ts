import type { CompiledCohort } from "./compiled.js";
import type { BoundFeature } from "./features.js";
import { yearsSql } from "./statement.js";
import type { TableColumn } from "./table-read.js";

const MEMBER_COLUMNS: readonly TableColumn[] = [
  {
    name: "person_key",
    sqlType: "VARCHAR",
    description: "The person: key of the Patient record that stands after merges.",
  },
  {
    name: "index_start",
    sqlType: "DATE",
    description: "The index day, or the first day that a partial date can mean.",
  },
  {
    name: "index_end",
    sqlType: "DATE",
    description: "The index day, or the last day that a partial date can mean.",
  },
  {
    name: "exit_date",
    sqlType: "DATE",
    description: "The last day of observation; null when it does not end.",
  },
];

const DATASET_COLUMNS: readonly TableColumn[] = [
  ...MEMBER_COLUMNS,
  {
    name: "age_at_index",
    sqlType: "INTEGER",
    description: "Full years at the index; null when partial dates leave it open.",
  },
  { name: "sex", sqlType: "VARCHAR", description: "Administrative gender as recorded." },
];

const date = (days: string): string => `DATE '1970-01-01' + ${days}`;
const MEMBER_ITEMS = `m.person AS person_key, ${date("m.low")} AS index_start, ${date("m.high")} AS index_end, ${date("m.exit")} AS exit_date`;

/** Members, one row each. */
export function memberTable(compiled: CompiledCohort<unknown>): {
  readonly source: string;
  readonly columns: readonly TableColumn[];
} {
  const source = `${compiled.head} SELECT ${MEMBER_ITEMS} FROM marked AS m WHERE ${compiled.isMember} ORDER BY m.person`;
  return { source, columns: MEMBER_COLUMNS };
}

/** Members with features, one row each. */
export function datasetTable(compiled: CompiledCohort<readonly BoundFeature[]>): {
  readonly source: string;
  readonly columns: readonly TableColumn[];
} {
  const features = compiled.extra;
  const scans = [...new Set(features.map(({ scan }) => scan))];
  const tables = scans.map((scan) => {
    const own = features.filter((feature) => feature.scan === scan);
    const items = own.map(({ aggregate, column }) => `${aggregate} AS ${column.name}`);
    return `features_${scan} AS (SELECT r.person, ${items.join(", ")} FROM ${scan} AS r JOIN members AS i ON i.person = r.person GROUP BY r.person)`;
  });
  const [youngest, oldest] = [yearsSql("q.birth_high", "m.low"), yearsSql("q.birth_low", "m.high")];
  const age = `CASE WHEN ${youngest} = ${oldest} THEN CAST(${youngest} AS INTEGER) END AS age_at_index`;
  const values = features.map(({ feature, scan, column: { name, sqlType } }) => {
    const value = `features_${scan}.${name}`;
    if (feature.of === "count") return `coalesce(${value}, 0) AS ${name}`;
    if (feature.of === "any") return `coalesce(${value}, false) AS ${name}`;
    return `CAST(${value} AS ${sqlType}) AS ${name}`;
  });
  const joins = scans.map((scan) => `LEFT JOIN features_${scan} ON features_${scan}.person = m.person`);
  const members = `members AS (SELECT * FROM marked WHERE ${compiled.isMember})`;
  const source = `${[compiled.head, members, ...tables].join(",\n")}
SELECT ${[MEMBER_ITEMS, age, "q.gender AS sex", ...values].join(", ")} FROM members AS m JOIN persons AS q ON q.person = m.person ${joins.join(" ")} ORDER BY m.person`;
  return { source, columns: [...DATASET_COLUMNS, ...features.map(({ column }) => column)] };
}

/** A SELECT of `feature, meant, reason, records` over members: what each feature had and could not use. */
export function featureQuality(compiled: CompiledCohort<readonly BoundFeature[]>): string | undefined {
  if (compiled.extra.length === 0) return undefined;
  const members = `members AS (SELECT * FROM marked WHERE ${compiled.isMember})`;
  const selects = compiled.extra.flatMap(({ scan, meant, unusable, column }) => {
    const from = `FROM ${scan} AS r JOIN members AS i ON i.person = r.person`;
    const count = (reason: string, condition: string): string =>
      `SELECT '${column.name}' AS feature, '${reason}' AS reason, count(DISTINCT r.k) FILTER (${condition}) AS records ${from}`;
    const left = Object.entries(unusable).map(([reason, sql]) => count(reason, `${meant} AND ${sql}`));
    return [count("all", meant), ...left];
  });
  return `${compiled.head},\n${members}\n${selects.join("\nUNION ALL ")}`;
}
