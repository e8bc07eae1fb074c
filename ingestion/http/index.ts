export { createFhirHttp } from "./client.js";
export { systemWaitingClock, type WaitingClock } from "./clock.js";
export type { SourceErrorCode } from "./errors.js";
export { badSettings, sourceAborted } from "./errors.js";
export { cleanText, describeIssues, isTransient, type OutcomeIssue, readOutcome } from "./outcome.js";
export { retryDelay } from "./retry.js";
export type {
  AuthSettings,
  DownloadInspector,
  FhirHttp,
  HttpMethod,
  HttpSettings,
  HttpStatistics,
  JsonAnswer,
  JsonRequest,
  RequestEvent,
  SmartBackendSettings,
} from "./settings.js";
export { publicJwks } from "./smart-backend.js";
