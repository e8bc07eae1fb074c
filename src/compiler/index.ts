export type { ViewSource } from "#sql";
export { type CompileWarning, checkProfile, type ProfileFinding, type ViewProfile, viewJson } from "#views";
export {
  COMPILER_VERSION,
  type CompiledView,
  type CompileOptions,
  compileView,
  type ExplainedView,
  type ViewColumn,
  viewHash,
} from "./compile.js";
export {
  type ConformanceOptions,
  type ConformanceReport,
  type ConformanceResult,
  type ConformanceSummary,
  canonicalNumber,
  compareRows,
  conformanceReport,
  ExactNumber,
  type ExactObject,
  type ExactValue,
  formatExactJson,
  type NumberComparison,
  parseExactJson,
  type RowDifference,
  type RunView,
  runConformance,
  type ViewResult,
} from "./conformance/index.js";
export { viewDataError } from "./data-error.js";
export { type NdjsonRelationOptions, ndjsonRelation } from "./ndjson-relation.js";
