export {
  type CleanOptions,
  type CleanReport,
  cleanPublished,
  dropPublished,
} from "./clean.js";
export {
  DEFAULT_RETENTION_MS,
  defaultTarget,
  type PublishOptions,
  type PublishReport,
  publishDelta,
} from "./publish-delta.js";
export { type PublishStatus, publishedSnapshot, publishStatus } from "./status.js";
export type { PublishTarget } from "./target.js";
