import type { Command } from "../command.js";
import { auditCommands } from "./audit.js";
import { backupCommand } from "./backup.js";
import { benchCommand } from "./bench.js";
import { cohortCommands } from "./cohort.js";
import { compactCommand } from "./compact.js";
import { configCommand } from "./config.js";
import { conformanceCommand } from "./conformance.js";
import { doctorCommand } from "./doctor.js";
import { eraseCommand } from "./erase.js";
import { generateCommand } from "./generate.js";
import { ingestBulkCommand, ingestFhirCommand } from "./ingest-fhir.js";
import { ingestNdjsonCommand } from "./ingest-ndjson.js";
import { keysCommands } from "./keys.js";
import { migrateCommand } from "./migrate.js";
import { pinCommand, pinsCommand, unpinCommand } from "./pin.js";
import { publishCommand } from "./publish.js";
import { queriesCommands } from "./queries.js";
import { queryCommand } from "./query.js";
import { restoreCommand } from "./restore.js";
import { runsCommand } from "./runs.js";
import { scheduleCommand } from "./schedule.js";
import { serveCommand } from "./serve.js";
import { snapshotsCommand } from "./snapshots.js";
import { sourceCheckCommand, sourceListCommand, sourceTestCommand } from "./source.js";
import { startCommand } from "./start.js";
import {
  subscriptionsListCommand,
  subscriptionsRemoveCommand,
  subscriptionsSyncCommand,
} from "./subscriptions.js";
import { vacuumCommand } from "./vacuum.js";
import { verifyCommand } from "./verify.js";
import { viewExplainCommand } from "./view-explain.js";
import { viewRunCommand } from "./view-run.js";
import { viewsBuildCommand } from "./views-build.js";
import { viewsCheckCommand } from "./views-check.js";
import { viewsListCommand } from "./views-list.js";

/** Every command, in the order of the help page. */
export const commands: readonly Command[] = [
  startCommand,
  generateCommand,
  ingestNdjsonCommand,
  ingestFhirCommand,
  ingestBulkCommand,
  sourceListCommand,
  sourceTestCommand,
  sourceCheckCommand,
  subscriptionsListCommand,
  subscriptionsSyncCommand,
  subscriptionsRemoveCommand,
  scheduleCommand,
  runsCommand,
  configCommand,
  viewsListCommand,
  viewsBuildCommand,
  viewsCheckCommand,
  viewRunCommand,
  viewExplainCommand,
  queryCommand,
  ...queriesCommands,
  ...cohortCommands,
  serveCommand,
  ...keysCommands,
  ...auditCommands,
  snapshotsCommand,
  verifyCommand,
  compactCommand,
  vacuumCommand,
  publishCommand,
  pinCommand,
  pinsCommand,
  unpinCommand,
  backupCommand,
  restoreCommand,
  eraseCommand,
  migrateCommand,
  conformanceCommand,
  benchCommand,
  doctorCommand,
];
