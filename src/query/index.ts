export { type ColumnType, parseColumnType } from "#duckdb";
export type { SourceLiveCode, SourceLiveState, SourceLiveStates } from "#speed";
export type {
  LakeCatalog,
  ReadState,
  SnapshotReader,
  SnapshotSummary,
  SnapshotView,
  ViewColumn,
} from "./catalog.js";
export type { AttritionStep } from "./cohort/attrition.js";
export type { CohortContext, CohortCount, CohortRead, DatasetDescription } from "./cohort/cohort-read.js";
export type { CohortDiff } from "./cohort/diff.js";
export { parseDimensions } from "./cohort/dimension.js";
export { ReleaseGuard } from "./cohort/release-guard.js";
export { lakeVersions, type ResourceVersions } from "./cohort/resource-versions.js";
export { CohortService } from "./cohort/service.js";
export { CohortStore, type StoredCohort, type StoredDataset } from "./cohort/store.js";
export { compareStates, type StateComparison } from "./compare-states.js";
export { type DefinedColumn, definedColumns } from "./defined-columns.js";
export type { QueryErrorCode } from "./errors.js";
export { type ResultFormat, resultFormats } from "./format.js";
export { type Freshness, freshnessOf } from "./freshness.js";
export { type CopyLease, HotCopies, type HotCopiesOptions, type HotCopiesState } from "./hot/hot-copies.js";
export { type KeepPolicy, SharedReader } from "./kept-states.js";
export { lakeCatalog } from "./lake-catalog.js";
export { mergedCatalog, mergedReader } from "./merged-catalog.js";
export { type OneShotInput, runViewOnFiles, runViewOnSource, viewRunner } from "./one-shot.js";
export { policedCatalog } from "./policy/policed-catalog.js";
export {
  type ColumnRule,
  columnRules,
  isOpen,
  policyDigest,
  type RowRule,
  type ViewPolicy,
} from "./policy/policy.js";
export type { ColumnProfile, FrequentValue, ProfileOptions, ViewProfile } from "./profile.js";
export { createQuery, type QueryService, type QueryServiceOptions } from "./query-service.js";
export type { PageFacts, RowCount } from "./question/bound-question.js";
export { derivedColumns } from "./question/columns.js";
export {
  type ColumnOperator,
  type Condition,
  columnOperators,
  type ValueOperator,
} from "./question/condition.js";
export type { Position } from "./question/position.js";
export type { OrderItem, SelectItem, ViewQuestion } from "./question/view-question.js";
export {
  findView,
  type PageOptions,
  type ReadContext,
  readView,
  type StateRequest,
  type ViewRead,
  type ViewRequest,
} from "./read-view.js";
export type { EncodedResult, EncodeOptions } from "./result.js";
export { type ResumePoint, resumePoint } from "./resume.js";
export type { SqlAnswer, SqlQuestion } from "./run-sql.js";
export { checkSavedQuery, type SavedProblem } from "./saved/check.js";
export { loadSavedQueries, shippedQueriesDirectory } from "./saved/load.js";
export {
  missingParameters,
  reservedNames,
  type SavedParameter,
  type SavedQuery,
  savedParameters,
} from "./saved/saved-query.js";
export { sqlParameters } from "./sql/json-parameters.js";
export type { SandboxOptions } from "./sql/sandbox.js";
export { type SystemRow, type SystemView, withSystemViews } from "./system-views.js";
