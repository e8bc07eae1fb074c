export { type CronSchedule, CronTimes } from "./cron.js";
export { effectiveConfig } from "./effective.js";
export type { ConfigErrorCode } from "./errors.js";
export { configJsonSchema, type JsonSchema } from "./json-schema.js";
export { CONFIG_NAME, findSource, type LoadedConfig, loadConfig, parseConfig } from "./load.js";
export {
  adHocSource,
  type Config,
  type NotificationsConfig,
  type SourceConfig,
  type WebhookConfig,
} from "./schema.js";
export { isSecret, readSecret, type Secret, type SecretContext } from "./secret.js";
export type { SecurityConfig } from "./security-schema.js";
export { durationMs, isDuration, sizeBytes } from "./units.js";
