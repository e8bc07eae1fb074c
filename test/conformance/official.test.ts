import { existsSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConformanceSummary, conformanceReport, type NumberComparison, runConformance } from "#compiler";
import { Database } from "#duckdb";
import { packageRoot } from "#kernel";
import { viewRunner } from "#query";

const shared = process.env["FHIR_LAKE_SHARED"] ?? path.resolve(packageRoot(), "../shared");
const suite = path.join(shared, "conformance/sql-on-fhir-v2");

let database: Database;
beforeAll(async () => {
  database = await Database.open({ threads: 1 });
});
afterAll(() => database.close());

function failures(summary: ConformanceSummary): string[] {
  return summary.results
    .filter((result) => !result.passed)
    .map(
      (result) => `${result.file}: ${result.title}: ${result.error} ${JSON.stringify(result.details ?? {})}`,
    );
}

const run = (dirs: readonly string[], numbers: NumberComparison): Promise<ConformanceSummary> =>
  runConformance({ dirs, runView: viewRunner(database), numbers });

describe.skipIf(!existsSync(suite))("the official SQL on FHIR suite", () => {
  test("passes as published in May 2026: 144 tests", { timeout: 120_000 }, async () => {
    const summary = await run([path.join(suite, "tests")], "value");
    expect(failures(summary)).toEqual([]);
    expect(summary.passed).toBe(144);
    expect(Object.keys(conformanceReport(summary))).toHaveLength(22);
  });

  test("passes with the newer tests of reference keys: 148 tests", { timeout: 120_000 }, async () => {
    const summary = await run([path.join(suite, "tests"), path.join(suite, "tests-newer")], "value");
    expect(failures(summary)).toEqual([]);
    expect(summary.passed).toBe(148);
  });
});

test("our own cases pass, numbers digit by digit", { timeout: 120_000 }, async () => {
  const summary = await run([path.join(import.meta.dirname, "cases")], "text");
  expect(failures(summary)).toEqual([]);
  expect(summary.passed).toBeGreaterThan(100);
});
