export {
  type CapabilitiesRequest,
  readCapabilities,
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
export { type IdFile, listIds, writeIdFile, writeIdFileOf } from "./ids.js";
export { type PolledChange, pollType } from "./poll.js";
export { type Deletion, readDeletion } from "./read-deletion.js";
export { countType, type ReadResult, readResource } from "./read-source.js";
export { instantMs, instantText } from "./search-instant.js";
export type { SourceCheck, SourceFinding } from "./source-finding.js";
export { type SourceTest, type TestSourceRequest, testSource } from "./test-source.js";
