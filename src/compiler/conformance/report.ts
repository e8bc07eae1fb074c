import type { ConformanceSummary } from "./run.js";

/** The official report: results by test file (`test-report.schema.json` of SQL on FHIR). */
export type ConformanceReport = Record<
  string,
  {
    tests: {
      name: string;
      result: { passed: boolean; error?: string; details?: Readonly<Record<string, unknown>> };
    }[];
  }
>;

/** The report that the implementation registry of SQL on FHIR reads, in the order the tests ran. */
export function conformanceReport(summary: ConformanceSummary): ConformanceReport {
  const report: ConformanceReport = {};
  for (const { file, title, passed, error, details } of summary.results) {
    report[file] ??= { tests: [] };
    report[file].tests.push({
      name: title,
      result: {
        passed,
        ...(error === undefined ? {} : { error }),
        ...(details === undefined ? {} : { details }),
      },
    });
  }
  return report;
}
