export {
  cancelExport,
  type ExportEvent,
  type ExportLevel,
  type ExportOptions,
  type ExportPlace,
  type ExportProgress,
  type ExportRequest,
  exportBulk,
  fetchReferenced,
  finishExport,
  type ReferenceSearch,
  type SecondPassOptions,
  type SecondPassResult,
  writeNamedResources,
} from "./bulk-export/index.js";
export { type LandChangesOptions, landChanges } from "./changes/land-changes.js";
export { type ChangeContext, ChangeReader, type DeletedResource, isPlaced } from "./changes/read-change.js";
export {
  type CompletenessRequest,
  type CompletenessResult,
  type ContentComparison,
  type CountComparison,
  checkCompleteness,
  compareContent,
  type SampleDifference,
  type SampleResource,
} from "./completeness/index.js";
export type { IngestionErrorCode } from "./errors.js";
export {
  type AuthSettings,
  createFhirHttp,
  type FhirHttp,
  type HttpSettings,
  type HttpStatistics,
  publicJwks,
  type RequestEvent,
  retryDelay,
  type SmartBackendSettings,
  type SourceErrorCode,
  systemWaitingClock,
  type WaitingClock,
} from "./http/index.js";
export { type InputFile, type InputName, probeInputs, STDIN } from "./ndjson/inputs.js";
export { type LandNdjsonOptions, landNdjson } from "./pipeline/land.js";
export { type BundleMode, DEFAULT_LIMITS, type IngestLimits } from "./pipeline/settings.js";
export type { OnProgress } from "./pipeline/tally.js";
export type { QuarantineRecord } from "./quarantine/quarantine-record.js";
export { type ReasonCode, Rejection } from "./quarantine/reason.js";
export {
  checkDeleteCap,
  type DeleteCap,
  type FetchMissingRequest,
  fetchMissing,
  overCap,
  type ReconcileCounts,
  type ReconcileRequest,
  type ReconcileResult,
  readVanished,
  reconcileDeletes,
  type TypeVanished,
  type VanishedResource,
  winningDelete,
} from "./reconcile/index.js";
export {
  type CapabilitiesRequest,
  countType,
  type Deletion,
  deleteLine,
  fetchBySearch,
  finishSearch,
  type IdFile,
  listIds,
  type PolledChange,
  pollType,
  type ReadResult,
  readCapabilities,
  readDeletion,
  readResource,
  type SearchErrorCode,
  type SearchFetchOptions,
  type SearchProgress,
  type SourceCapabilities,
  type SourceCheck,
  type SourceFinding,
  type SourceTest,
  type TestSourceRequest,
  type TypeCapabilities,
  testSource,
  writeIdFile,
  writeIdFileOf,
} from "./search/index.js";
export {
  ANY_TYPE,
  type FetchedBatch,
  type FetchedFile,
  type FetchProblem,
  type FetchStatistics,
} from "./source/fetched.js";
export { readLines } from "./source/read-lines.js";
export {
  type Dialect,
  type FoundSubscription,
  hear,
  isDelivering,
  type MissingEvents,
  missing,
  newEnd,
  planSubscriptions,
  restarted,
  type Sequence,
  type SubscribeSettings,
  type SubscriptionAction,
  type SubscriptionServer,
  settledUpTo,
  subscriptionServer,
  wantedSubscriptions,
} from "./subscribe/index.js";
export {
  createReceiver,
  type DeadLetter,
  type Receiver,
  type ReceiverOptions,
  type ReceiverPorts,
  referenceTarget,
  type SecretHeader,
  type Sender,
  type SourceReference,
  type TopicEvent,
  type TopicStatus,
} from "./subscriptions/index.js";
