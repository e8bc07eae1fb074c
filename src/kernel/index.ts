export { byteSize } from "./byte-size.js";
export { type Clock, systemClock } from "./clock.js";
export { assertNever, type ErrorKind, isLakeError, LakeError, type LakeErrorOptions } from "./errors.js";
export {
  canonicalNumber,
  ExactNumber,
  type ExactObject,
  type ExactValue,
  formatExactJson,
  parseExactJson,
  parseSourcedJson,
} from "./exact-json.js";
export { mapConcurrently } from "./map-concurrently.js";
export { didYouMean, nearest } from "./nearest.js";
export { packageRoot } from "./package-root.js";
export { shareCalls } from "./share-calls.js";
