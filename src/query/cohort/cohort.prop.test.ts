import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { CohortOracle } from "../../../test/oracle/cohort.js";
import { cohortDefinition, cohortViews } from "../../../test/support/cohort-arbitraries.js";
import { cohortSnapshot, VIEW_DATES } from "../../../test/support/cohort-views.js";
import { attrition } from "./attrition.js";
import { compileCohort } from "./compiled.js";
import type { RuleCohort } from "./definition.js";
import { ruleNames } from "./english.js";
import { tally } from "./measure.js";
import { parseCohort } from "./parse.js";

const RUNS = Number(process.env["FHIR_LAKE_COHORT_RUNS"] ?? 60);

let database: Database;
beforeAll(async () => {
  database = await Database.open({ threads: 1 });
});
afterAll(() => database.close());

describe("a cohort's one statement", () => {
  it("finds the persons, index days, ends of observation and rules that a slow evaluator finds", async () => {
    let [passed, failed] = [0, 0];
    await fc.assert(
      fc.asyncProperty(cohortViews, cohortDefinition, async (views, json) => {
        const cohort = parseCohort(json) as RuleCohort;
        const snapshot = await cohortSnapshot(database, views);
        const compiled = await compileCohort(
          database,
          snapshot,
          { id: "x", definition: cohort },
          { extend: () => undefined },
        );
        const rows = await database.with((connection) =>
          connection.rows<{ person: string; low: number; high: number; exit: number | null; mask: string }>(
            `${compiled.head} SELECT person, low, high, exit, mask FROM marked ORDER BY person`,
            compiled.statement.bindings.values,
          ),
        );
        const oracle = new CohortOracle(cohort, views, VIEW_DATES).evaluate();
        const expected = [...oracle]
          .map(([person, { low, high, exit, passes }]) => {
            const mask = passes.reduce((sum, pass, bit) => sum + (pass ? 2 ** bit : 0), 0);
            return { person, low, high, exit, mask: String(mask) };
          })
          .sort((a, b) => (a.person < b.person ? -1 : 1));
        expect(rows).toEqual(expected);
        const answers = [...oracle.values()].flatMap(({ passes }) => passes);
        passed += answers.filter(Boolean).length;
        failed += answers.filter((pass) => !pass).length;

        const { counts } = await tally(database, compiled, { quality: true, hashes: true });
        const all = [...oracle.values()];
        expect(counts.members).toBe(all.filter(({ passes }) => passes.every(Boolean)).length);
        const order = ruleNames(cohort)
          .map((_, index) => index)
          .reverse();
        const left = attrition(counts, ruleNames(cohort), order).slice(2);
        expect(left.map(({ remaining }) => remaining)).toEqual(
          order.map(
            (_, step) =>
              all.filter(({ passes }) => order.slice(0, step + 1).every((rule) => passes[rule])).length,
          ),
        );
      }),
      { numRuns: RUNS, seed: 20261121 },
    );
    // It would hold of rules that always say the same, too.
    expect(passed).toBeGreaterThan(RUNS);
    expect(failed).toBeGreaterThan(RUNS);
  }, 3_600_000);
});
