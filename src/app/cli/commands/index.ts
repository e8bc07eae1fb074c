import type { Command } from "../command.js";

/**
 * The commands by their first word, in the order of the help page. Each is loaded when it is asked for: no command waits for the code of
 * all the others.
 */
const groups: readonly (readonly [string, () => Promise<readonly Command[]>])[] = [
  ["start", async () => [(await import("./start.js")).startCommand]],
  ["generate", async () => [(await import("./generate.js")).generateCommand]],
  [
    "ingest",
    async () => {
      const { ingestNdjsonCommand } = await import("./ingest-ndjson.js");
      const { ingestFhirCommand, ingestBulkCommand } = await import("./ingest-fhir.js");
      return [ingestNdjsonCommand, ingestFhirCommand, ingestBulkCommand];
    },
  ],
  [
    "source",
    async () => {
      const { sourceListCommand, sourceTestCommand, sourceCheckCommand } = await import("./source.js");
      return [sourceListCommand, sourceTestCommand, sourceCheckCommand];
    },
  ],
  [
    "subscriptions",
    async () => {
      const { subscriptionsListCommand, subscriptionsSyncCommand, subscriptionsRemoveCommand } = await import(
        "./subscriptions.js"
      );
      return [subscriptionsListCommand, subscriptionsSyncCommand, subscriptionsRemoveCommand];
    },
  ],
  ["dead-letters", async () => [(await import("./dead-letters.js")).deadLettersCommand]],
  ["schedule", async () => [(await import("./schedule.js")).scheduleCommand]],
  ["runs", async () => [(await import("./runs.js")).runsCommand]],
  ["config", async () => [(await import("./config.js")).configCommand]],
  [
    "views",
    async () => {
      const { viewsListCommand } = await import("./views-list.js");
      const { viewsBuildCommand } = await import("./views-build.js");
      const { viewsCheckCommand } = await import("./views-check.js");
      return [viewsListCommand, viewsBuildCommand, viewsCheckCommand];
    },
  ],
  [
    "view",
    async () => {
      const { viewRunCommand } = await import("./view-run.js");
      const { viewExplainCommand } = await import("./view-explain.js");
      return [viewRunCommand, viewExplainCommand];
    },
  ],
  ["query", async () => [(await import("./query.js")).queryCommand]],
  ["queries", async () => (await import("./queries.js")).queriesCommands],
  ["cohort", async () => (await import("./cohort.js")).cohortCommands],
  ["serve", async () => [(await import("./serve.js")).serveCommand]],
  ["keys", async () => (await import("./keys.js")).keysCommands],
  ["audit", async () => (await import("./audit.js")).auditCommands],
  ["snapshots", async () => [(await import("./snapshots.js")).snapshotsCommand]],
  ["verify", async () => [(await import("./verify.js")).verifyCommand]],
  ["compact", async () => [(await import("./compact.js")).compactCommand]],
  ["vacuum", async () => [(await import("./vacuum.js")).vacuumCommand]],
  ["publish", async () => [(await import("./publish.js")).publishCommand]],
  ["pin", async () => [(await import("./pin.js")).pinCommand]],
  ["pins", async () => [(await import("./pin.js")).pinsCommand]],
  ["unpin", async () => [(await import("./pin.js")).unpinCommand]],
  ["backup", async () => [(await import("./backup.js")).backupCommand]],
  ["restore", async () => [(await import("./restore.js")).restoreCommand]],
  ["erase", async () => [(await import("./erase.js")).eraseCommand]],
  ["journal", async () => [(await import("./journal-adopt.js")).journalAdoptCommand]],
  ["migrate", async () => [(await import("./migrate.js")).migrateCommand]],
  ["conformance", async () => [(await import("./conformance.js")).conformanceCommand]],
  ["bench", async () => [(await import("./bench.js")).benchCommand]],
  ["doctor", async () => [(await import("./doctor.js")).doctorCommand]],
];

/** The commands that begin with a word; all of them when none does. */
export async function commandsOf(word: string | undefined): Promise<readonly Command[]> {
  const wanted = groups.filter(([first]) => first === word);
  const loaded = await Promise.all((wanted.length === 0 ? groups : wanted).map(([, load]) => load()));
  return loaded.flat();
}
