import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { CohortOracle, type OracleRow } from "../../../test/oracle/cohort.js";
import { cohortDefinition, cohortViews } from "../../../test/support/cohort-arbitraries.js";
import { cohortSnapshot, VIEW_DATES } from "../../../test/support/cohort-views.js";
import { compileCohort } from "./compiled.js";
import type { RuleCohort } from "./definition.js";
import { bindFeature, type Feature, parseDataset } from "./features.js";
import { datasetTable } from "./member-table.js";
import { parseCohort } from "./parse.js";

const RUNS = Number(process.env["FHIR_LAKE_COHORT_RUNS"] ?? 60);

const feature = fc
  .record({
    of: fc.constantFrom("first", "last", "mean", "min", "max", "count", "any"),
    in: fc.constantFrom(undefined, undefined, "hba1c"),
    unit: fc.constantFrom("g/L", "mg/dL", "any"),
    within: fc.constantFrom(
      { to: 0 },
      { from: -30, to: 0 },
      { from: 1, to: 90 },
      { from: -1000, to: 1000 },
      { from: -1000 },
    ),
    partialDates: fc.constantFrom("certain", "possible"),
  })
  .map(({ of, unit, ...rest }) => ({
    ...rest,
    of,
    view: "laboratory",
    afterIndex: true,
    ...(of === "count" || of === "any" ? {} : { unit }),
  }));

/** What the oracle makes of a feature for one person. */
function expected(
  oracle: CohortOracle,
  rows: readonly OracleRow[],
  one: Feature,
  index: Parameters<CohortOracle["candidates"]>[2],
) {
  const { filter, within, partialDates, of, unit } = one;
  const meant = oracle.candidates(rows, { filter, within, partialDates }, index);
  if (of === "count") return String(new Set(meant.map(({ key }) => key)).size);
  if (of === "any") return meant.length > 0;
  const exact = oracle.sorted(
    meant.filter((row) => typeof oracle.value(row, unit) === "number" && row["comparator"] === null),
    filter,
  );
  const values = exact.map((row) => oracle.value(row, unit) as number);
  if (values.length === 0) return null;
  if (of === "first") return values[0];
  if (of === "last") return values.at(-1);
  if (of === "min") return Math.min(...values);
  if (of === "max") return Math.max(...values);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

let database: Database;
beforeAll(async () => {
  database = await Database.open({ threads: 1 });
});
afterAll(() => database.close());

describe("a dataset", () => {
  it("has a row per member with what a slow evaluator computes for each feature", async () => {
    let [members, values] = [0, 0];
    await fc.assert(
      fc.asyncProperty(
        cohortViews,
        cohortDefinition,
        fc.array(feature, { minLength: 3, maxLength: 6 }),
        async (views, json, wanted) => {
          const parsed = parseCohort(json) as RuleCohort;
          // Rules are another test's concern; most of them would leave nobody.
          const cohort = { ...parsed, include: parsed.include.slice(0, 1), exclude: [] };
          const { features } = parseDataset(
            JSON.parse(
              JSON.stringify({ features: wanted.map((one, index) => ({ ...one, name: `f${index}` })) }),
            ),
            cohort.valueSets,
          );
          const snapshot = await cohortSnapshot(database, views);
          const compiled = await compileCohort(
            database,
            snapshot,
            { id: "x", definition: cohort },
            {
              extend: (statement) => features.map((one) => bindFeature(statement, one)),
            },
          );
          const { source } = datasetTable(compiled);
          const rows = await database.with((connection) =>
            connection.rows<Record<string, unknown>>(source, compiled.statement.bindings.values),
          );
          const oracle = new CohortOracle(cohort, views, VIEW_DATES);
          const persons = oracle.persons();
          const people = [...oracle.evaluate()]
            .filter(([, { passes }]) => passes.every(Boolean))
            .sort(([a], [b]) => (a < b ? -1 : 1));
          expect(rows.map((row) => row["person_key"])).toEqual(people.map(([person]) => person));
          members += people.length;
          for (const [at, [person, index]] of people.entries()) {
            const own = oracle.rowsOf(person, persons)("laboratory");
            for (const one of features) {
              const truth = expected(oracle, own, one, index);
              const found = rows[at]![one.name];
              if (typeof truth === "number") {
                values++;
                expect(found).toBeCloseTo(truth, 9);
              } else expect(found).toBe(truth);
            }
          }
        },
      ),
      { numRuns: RUNS, seed: 616 },
    );
    // It would hold of cohorts without members, too.
    expect(members).toBeGreaterThan(RUNS / 2);
    expect(values).toBeGreaterThan(RUNS / 4);
  }, 3_600_000);
});
