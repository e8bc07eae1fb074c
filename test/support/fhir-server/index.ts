/**
 * A FHIR R4 server for tests and demonstrations, built to the standards (FHIR REST, Bulk Data Access, SMART Backend Services) and not to
 * our clients: it decides by itself what a request means. See README.md for profiles, faults and the admin routes.
 */
export type { BackendClient, ServerAuth } from "./auth/settings.js";
export type { ExportBehaviour } from "./export/jobs.js";
export type { Fault, FaultMatch, FaultRule } from "./fault/rule.js";
export type { FhirServerOptions } from "./options.js";
export type { EhrProfile, ExportProfile, ProfileChanges, ProfileName } from "./profile.js";
export type { RecordedRequest, RequestLog, RequestSelection } from "./requests.js";
export { type FhirServer, startFhirServer } from "./server.js";
export type { ResourceStore, StoredVersion } from "./store.js";
export { EVERYTHING_TOPIC, type SubscriptionBehaviour } from "./subscription/behaviour.js";
export type { Fate, SubscriptionEngine } from "./subscription/engine.js";
export type { Notice } from "./subscription/notice.js";
