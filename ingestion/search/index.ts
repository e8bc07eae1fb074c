export {
  type CapabilitiesRequest,
  type ExportCapabilities,
  type FetchClient,
  readCapabilities,
  type SmartCapabilities,
  type SourceCapabilities,
  type TypeCapabilities,
} from "./capabilities.js";
export { type DeleteFacts, deleteLine } from "./change-lines.js";
export type { SearchErrorCode } from "./errors.js";
export {
  fetchBySearch,
  finishSearch,
  type SearchFetchOptions,
  type SearchProgress,
} from "./fetch-by-search.js";
export { type IdFile, type IdListRequest, listIds, writeIdFile, writeIdFileOf, writeLines } from "./ids.js";
export type { WindowSupport } from "./probes.js";
export {
  type CountRequest,
  countType,
  type ReadRequest,
  type ReadResult,
  readResource,
} from "./read-source.js";
export { instantMs, instantText } from "./search-instant.js";
export type { ExportLevel, SourceCheck, SourceFinding } from "./source-finding.js";
export { type SourceTest, type TestSourceRequest, testSource } from "./test-source.js";
