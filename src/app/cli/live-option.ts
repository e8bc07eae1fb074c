import path from "node:path";
import type { Lake } from "#lake";
import { journalFile } from "../journal-files.js";
import { configuredSenders } from "../senders.js";
import type { LiveServing } from "../serve.js";
import type { Invocation } from "./command.js";
import { loadedConfig } from "./config-option.js";
import { wantedViews } from "./views-option.js";

/**
 * How a serving command follows live changes: the journal in Postgres (`DATABASE_URL`) or in the lake's file, and the senders of the
 * configuration. Undefined for a remote lake that has no journal, which is served by snapshots alone.
 */
export async function liveServing(invocation: Invocation, lake: Lake): Promise<LiveServing | undefined> {
  const { environment, values } = invocation;
  const databaseUrl = environment["DATABASE_URL"];
  const file = journalFile(lake.store.location, environment);
  if (file === undefined && databaseUrl === undefined) return undefined;
  return {
    journal: { file: file ?? path.resolve("journal.sqlite"), databaseUrl },
    senders: configuredSenders(loadedConfig(invocation), environment),
    views: await wantedViews(values, lake.definitions),
  };
}
