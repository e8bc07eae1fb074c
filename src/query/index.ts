export type { SourceLiveCode, SourceLiveState, SourceLiveStates } from "#speed";
export type {
  LakeCatalog,
  ReadState,
  SnapshotReader,
  SnapshotSummary,
  SnapshotView,
  ViewColumn,
} from "./catalog.js";
export type { QueryErrorCode } from "./errors.js";
export { type ResultFormat, resultFormats } from "./format.js";
export { type Freshness, freshnessOf } from "./freshness.js";
export { lakeCatalog } from "./lake-catalog.js";
export { mergedCatalog } from "./merged-catalog.js";
export { type OneShotInput, runViewOnFiles, runViewOnSource, viewRunner } from "./one-shot.js";
export { createQuery, type QueryService } from "./query-service.js";
export {
  type ColumnFilter,
  findView,
  type ReadContext,
  readView,
  type StateRequest,
  type ViewQuestion,
  type ViewRead,
  type ViewRequest,
} from "./read-view.js";
export type { EncodedResult, EncodeOptions } from "./result.js";
export { runSql, type SqlAnswer, type SqlFormat, type SqlOptions } from "./run-sql.js";
export { type SystemRow, type SystemView, withSystemViews } from "./system-views.js";
