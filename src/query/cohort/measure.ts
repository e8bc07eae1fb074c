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
function maskSelects({ isMember }: CompiledCohort<unknown>): string[] {
  return [
    `SELECT 'mask' AS part, mask::VARCHAR AS mask, count(*) AS n, count(*) FILTER (${isMember}) AS m FROM marked GROUP BY mask`,
    "SELECT 'persons' AS part, count(*) AS n FROM persons",
  ];
}

function masksOf(found: readonly TallyRow[]): MaskCounts {
  const masks = new Map<bigint, number>();
  let [persons, members] = [0, 0];
  for (const { part, mask, n, m } of found) {
    if (part === "persons") persons = Number(n);
    if (part !== "mask") continue;
    masks.set(BigInt(mask!), Number(n));
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

/** What every criterion could not use. */
function qualitySelects({ statement }: CompiledCohort<unknown>): string[] {
  return statement.events.flatMap(({ scan, flag, day, value, dated }, index) => {
    const undated = dated || index === 0 ? `count(DISTINCT k) FILTER (${day.low} IS NULL)` : "0";
    const total = `SELECT 'records' AS part, ${index} AS i, count(DISTINCT k) AS n, count(DISTINCT k) FILTER (person IS NULL) AS w, ${undated} AS u FROM ${scan.name} WHERE ${flag}`;
    if (value === undefined) return [total];
    const units = `SELECT 'unit' AS part, ${index} AS i, ${value.unit} AS unit, count(DISTINCT k) AS n FROM ${scan.name} WHERE ${flag} AND ${value.raw} IS NOT NULL AND ${value.value} IS NULL GROUP BY ${value.unit}`;
    return [total, units];
  });
}

function qualityOf(
  { statement }: CompiledCohort<unknown>,
  found: readonly TallyRow[],
): readonly CriterionQuality[] {
  return statement.events.map(({ path }, index) => {
    const own = found.filter(({ i }) => i === index);
    const all = own.find(({ part }) => part === "records");
    const units = own.filter(({ part }) => part === "unit");
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

/** What a cohort comes to. */
export interface Tally {
  readonly counts: MaskCounts;
  /** By criterion what it could not use; empty unless asked for. */
  readonly quality: readonly CriterionQuality[];
  /** Hashes of the members' keys as exact doubles, ascending; empty unless asked for. */
  readonly hashes: Float64Array;
}

/** One row of any of the SELECTs of a tally; columns that its own one lacks are NULL. */
interface TallyRow {
  readonly part: "mask" | "persons" | "records" | "unit" | "hashes";
  readonly mask: string | null;
  readonly n: string;
  readonly m: string;
  readonly i: number | null;
  readonly unit: string | null;
  readonly w: string;
  readonly u: string;
  readonly h: readonly number[] | null;
}

/** Counts a cohort, with as much beside as is asked for, in one statement: the passes over views are made once. */
export async function tally(
  database: Database,
  compiled: CompiledCohort<unknown>,
  wanted: { readonly quality: boolean; readonly hashes: boolean },
  options: RunOptions = {},
): Promise<Tally> {
  const selects = [
    ...maskSelects(compiled),
    ...(wanted.quality ? qualitySelects(compiled) : []),
    ...(wanted.hashes
      ? [
          `SELECT 'hashes' AS part, list((hash(person) >> 11)::DOUBLE) AS h FROM marked WHERE ${compiled.isMember}`,
        ]
      : []),
  ];
  const found = await rows<TallyRow>(database, compiled, selects.join("\nUNION ALL BY NAME "), options);
  const hashes = found.find(({ part }) => part === "hashes")?.h ?? [];
  return {
    counts: masksOf(found),
    quality: wanted.quality ? qualityOf(compiled, found) : [],
    hashes: Float64Array.from(hashes, Number).sort(),
  };
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
