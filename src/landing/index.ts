export {
  CHANGE_EVENT,
  CHANGES_PREFIX,
  type Change,
  changeEvent,
  changeOf,
  changeOrder,
  changeStream,
  erasedEvent,
  erasedKeysOf,
  type NewChange,
  type RecordedChange,
} from "./change.js";
export type { LandingErrorCode } from "./errors.js";
export { type Instant, instantHex, instantNs, instantOfMs, parseInstant } from "./instant.js";
export { readLandingFile } from "./landing-reader.js";
export { LandingWriter, type LandingWriterOptions } from "./landing-writer.js";
export {
  type LandingCounts,
  type LandingFile,
  type LandingManifest,
  type LandingProblem,
  MANIFEST_NAME,
  QUARANTINE_NAME,
  readManifest,
  writeManifest,
} from "./manifest.js";
export {
  joinOrderKey,
  ORDER_KEY_LENGTH,
  type OrderKeyInput,
  type OrderKeyParts,
  type OrderPolicy,
  orderKey,
  u48Hex,
  versionHex,
} from "./order-key.js";
export {
  decodeRecord,
  encodeRecord,
  FIELD_SEPARATOR,
  headerText,
  type LandingRecord,
  type RecordHeader,
  type RecordKind,
} from "./record.js";
export { RESOURCE_KEY_LENGTH, resourceKey } from "./resource-key.js";
