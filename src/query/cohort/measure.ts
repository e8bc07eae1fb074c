/** Questions to a compiled cohort, each one statement over its parts. */
import type { Database, RunOptions } from "#duckdb";
import type { MaskCounts } from "./attrition.js";
import type { CompiledCohort } from "./compiled.js";
import { type Dimension, dimensionSql } from "./dimension.js";
import { yearsSql } from "./statement.js";
import type { PairCount } from "./suppression.js";

/** The category of persons of whom a dimension is not known. */
export const UNKNOWN = "(unknown)";

async function rows<Row>(
  database: Database,
  compiled: CompiledCohort<unknown>,
  select: string,
  options: RunOptions,
): Promise<Row[]> {
  const sql = `${compiled.head}\n${select}`;
  return await database.with((connection) =>
    connection.rows<Row>(sql, compiled.statement.bindings.values, options),
  );
}

/** Counts by mask, with the number of persons there are and of those who are members. */
export async function countMasks(
  database: Database,
  compiled: CompiledCohort<unknown>,
  options: RunOptions = {},
): Promise<MaskCounts> {
  const found = await rows<{ mask: string | null; n: string; m: string }>(
    database,
    compiled,
    `SELECT mask::VARCHAR AS mask, count(*) AS n, count(*) FILTER (${compiled.isMember}) AS m FROM marked GROUP BY mask
UNION ALL SELECT NULL, (SELECT count(*) FROM persons), 0`,
    options,
  );
  const masks = new Map<bigint, number>();
  let [persons, members] = [0, 0];
  for (const { mask, n, m } of found) {
    if (mask === null) persons = Number(n);
    else masks.set(BigInt(mask), Number(n));
    members += Number(m);
  }
  return { persons, members, masks };
}

/** What was left out on the way, for one criterion. Numbers of records, not of persons. */
export interface CriterionQuality {
  /** Where the criterion stands in the definition. */
  readonly path: string;
  /** Records that the criterion means, before days and values are looked at. */
  readonly records: number;
  /** Their patient is not in the lake, or they have none. */
  readonly withoutPatient: number;
  /** They have no day, and the criterion needs one. */
  readonly undated: number;
  /** Their value could not be converted, by unit; null stands for no unit. */
  readonly unconvertible: readonly { readonly unit: string | null; readonly records: number }[];
}

/** Counts for every criterion what it could not use. */
export async function measureQuality(
  database: Database,
  compiled: CompiledCohort<unknown>,
  options: RunOptions = {},
): Promise<readonly CriterionQuality[]> {
  const { events } = compiled.statement;
  if (events.length === 0) return [];
  const selects = events.map(({ scan, flag, day, value, dated }, index) => {
    const undated = dated || index === 0 ? `count(DISTINCT k) FILTER (${day.low} IS NULL)` : "0";
    const total = `SELECT ${index} AS i, 'all' AS what, NULL::VARCHAR AS unit, count(DISTINCT k) AS n, count(DISTINCT k) FILTER (person IS NULL) AS w, ${undated} AS u FROM ${scan.name} WHERE ${flag}`;
    if (value === undefined) return total;
    return `${total} UNION ALL SELECT ${index}, 'unit', ${value.unit}, count(DISTINCT k), 0, 0 FROM ${scan.name} WHERE ${flag} AND ${value.raw} IS NOT NULL AND ${value.value} IS NULL GROUP BY ${value.unit}`;
  });
  const found = await rows<{ i: number; what: string; unit: string | null; n: string; w: string; u: string }>(
    database,
    compiled,
    selects.join("\nUNION ALL "),
    options,
  );
  return events.map(({ path }, index) => {
    const own = found.filter(({ i }) => i === index);
    const all = own.find(({ what }) => what === "all");
    const units = own.filter(({ what }) => what === "unit");
    return {
      path,
      records: Number(all?.n ?? 0),
      withoutPatient: Number(all?.w ?? 0),
      undated: Number(all?.u ?? 0),
      unconvertible: units
        .map(({ unit, n }) => ({ unit, records: Number(n) }))
        .sort((a, b) => b.records - a.records || ((a.unit ?? "") < (b.unit ?? "") ? -1 : 1)),
    };
  });
}

/** Hashes of the members' keys as exact doubles, ascending. */
export async function memberHashes(
  database: Database,
  compiled: CompiledCohort<unknown>,
  options: RunOptions = {},
): Promise<Float64Array> {
  const found = await rows<{ h: number }>(
    database,
    compiled,
    `SELECT (hash(person) >> 11)::DOUBLE AS h FROM marked WHERE ${compiled.isMember}`,
    options,
  );
  return Float64Array.from(found, ({ h }) => Number(h)).sort();
}

/** Members with what dimensions need, as relation text. */
function described(compiled: CompiledCohort<unknown>): string {
  const age = yearsSql("p.birth_low", "m0.low");
  return `(SELECT m0.person AS person_key, DATE '1970-01-01' + m0.low AS index_start, ${age} AS age FROM marked AS m0 JOIN persons AS p ON p.person = m0.person WHERE ${compiled.isMember})`;
}

/** Members by the categories of two dimensions. */
export async function countPairs(
  database: Database,
  compiled: CompiledCohort<unknown>,
  [row, column]: readonly [Dimension, Dimension],
  options: RunOptions = {},
): Promise<readonly PairCount[]> {
  const category = (dimension: Dimension): string => `coalesce(${dimensionSql(dimension)}, '${UNKNOWN}')`;
  const found = await rows<{ r: string; c: string; n: string }>(
    database,
    compiled,
    `SELECT ${category(row)} AS r, ${category(column)} AS c, count(*) AS n FROM ${described(compiled)} AS m JOIN persons AS p ON p.person = m.person_key GROUP BY ALL ORDER BY r, c`,
    options,
  );
  return found.map(({ r, c, n }) => ({ row: r, column: c, count: Number(n) }));
}

/** Members by the categories of one dimension, by category. */
export async function countBy(
  database: Database,
  compiled: CompiledCohort<unknown>,
  dimension: Dimension,
  options: RunOptions = {},
): Promise<ReadonlyMap<string, number>> {
  const pairs = await countPairs(database, compiled, [dimension, dimension], options);
  return new Map(pairs.map(({ row, count }) => [row, count]));
}
