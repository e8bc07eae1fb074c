export { type AppOptions, createApp, type ServingApp } from "./app.js";
export type { Pins, SelfCheck, StatePin } from "./context.js";
export { JOB_LIMITS, type JobLimits } from "./jobs/job.js";
export { Jobs } from "./jobs/jobs.js";
export { createLogger, type LogFields, type Logger, type LogOptions, silentLogger } from "./log.js";
export {
  allowedHosts,
  type ConnectionBindings,
  type HttpApp,
  type RunningServer,
  type ServerSettings,
  startServer,
} from "./server.js";
