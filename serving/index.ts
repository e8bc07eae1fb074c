export { Access } from "./access/access.js";
export { ApiKeys, type KeyRecord, type KeyRecords, newApiKey } from "./access/api-keys.js";
export {
  type AuditEntry,
  type AuditLink,
  type AuditStream,
  AuditTrail,
  type AuditVerdict,
  valueDigest,
  verifyAudit,
} from "./access/audit-trail.js";
export { CallerScope } from "./access/caller-scope.js";
export { Credentials } from "./access/credentials.js";
export { CallerLimits, defaultLimits, type LimitSettings } from "./access/limits.js";
export { type Permission, permissions } from "./access/permission.js";
export { builtInRoles, type RoleDefinition, Roles } from "./access/roles.js";
export { SignedLinks } from "./access/signed-links.js";
export { type Issuer, type TokenAlgorithm, Tokens, tokenAlgorithms } from "./access/tokens.js";
export { type AppOptions, createApp, type ServingApp } from "./app.js";
export type { DeadLetterCount, Pins, SelfCheck, SpeedState, StatePin } from "./context.js";
export { JOB_LIMITS, type JobLimits } from "./jobs/job.js";
export { Jobs } from "./jobs/jobs.js";
export {
  createLogger,
  type LogFields,
  type Logger,
  type LogOptions,
  logLevel,
  silentLogger,
} from "./log.js";
export {
  allowedHosts,
  type ConnectionBindings,
  type HttpApp,
  type RunningServer,
  type ServerSettings,
  startServer,
} from "./server.js";
