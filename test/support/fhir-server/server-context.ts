import type { DataContext } from "./context.js";
import type { ExportJobs } from "./export/jobs.js";
import type { SubscriptionEngine } from "./subscription/engine.js";

/** What the handlers of one server share. */
export interface ServerContext extends DataContext {
  readonly jobs: ExportJobs;
  readonly subscriptions: SubscriptionEngine;
}
