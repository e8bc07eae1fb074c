export type { ViewSource } from "#sql";
export type { CompileWarning } from "#views";
export {
  COMPILER_VERSION,
  type CompiledView,
  type CompileOptions,
  compileView,
  type ViewColumn,
} from "./compile.js";
export { viewDataError } from "./data-error.js";
export { type NdjsonRelationOptions, ndjsonRelation } from "./ndjson-relation.js";
export {
  canonicalNumber,
  compareRows,
  type ConformanceOptions,
  type ConformanceReport,
  conformanceReport,
  type ConformanceResult,
  type ConformanceSummary,
  ExactNumber,
  type ExactObject,
  type ExactValue,
  formatExactJson,
  type NumberComparison,
  parseExactJson,
  type RowDifference,
  runConformance,
  type RunView,
  type ViewResult,
} from "./conformance/index.js";
