export {
  canonicalNumber,
  ExactNumber,
  type ExactObject,
  type ExactValue,
  formatExactJson,
  parseExactJson,
} from "#kernel";
export { compareRows, type NumberComparison, type RowDifference } from "./compare.js";
export { type ConformanceReport, conformanceReport } from "./report.js";
export {
  type ConformanceOptions,
  type ConformanceResult,
  type ConformanceSummary,
  type RunView,
  runConformance,
  type ViewResult,
} from "./run.js";
export { type ConformanceTest, parseConformanceFile } from "./test-file.js";
