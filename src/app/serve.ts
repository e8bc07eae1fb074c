import { rm } from "node:fs/promises";
import { Database } from "#duckdb";
import { systemClock } from "#kernel";
import type { Lake } from "#lake";
import { createQuery, lakeCatalog, withSystemViews } from "#query";
import { Ledger } from "#runs";
import { allowedHosts, createApp, createLogger, type RunningServer, startServer } from "#serving";
import { runsView } from "./system-views.js";

/** Where to serve. */
export interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly memoryLimitBytes?: number;
  /** By source: data older than so many milliseconds are shown as stale. */
  readonly stalenessTargets?: Readonly<Record<string, number>>;
}

const MIB = 1 << 20;

/**
 * Serves a lake over HTTP. Reading has an engine of its own that keeps file order, so that equal questions get equal bytes.
 * `close` waits for answers under way, then frees the engine; the lake stays the caller's to close.
 */
export async function serveLake(lake: Lake, options: ServeOptions): Promise<RunningServer> {
  const temporaryFolder = await lake.store.stagingDirectory("answers");
  const database = await Database.open({
    memoryLimitBytes: Math.max(256 * MIB, (options.memoryLimitBytes ?? 1024 * MIB) / 2),
    tempDirectory: temporaryFolder,
    preserveInsertionOrder: true,
  });
  const runs = new Ledger({ store: lake.store, clock: systemClock });
  const catalog = withSystemViews(lakeCatalog(lake), [runsView(runs)]);
  const allowed = allowedHosts(options.host);
  const app = createApp({
    catalog,
    query: createQuery({ catalog, database, temporaryFolder }),
    clock: systemClock,
    runs,
    ...(options.stalenessTargets === undefined ? {} : { stalenessTargets: options.stalenessTargets }),
    ...(allowed === undefined ? {} : { allowedHosts: allowed }),
    log: createLogger({ level: process.env["FHIR_LAKE_LOG"] === "debug" ? "info" : "warn" }),
  });
  const server = await startServer(app, { host: options.host, port: options.port });
  return {
    ...server,
    close: async () => {
      await server.close();
      database.close();
      await rm(temporaryFolder, { recursive: true, force: true });
    },
  };
}

/** Resolves at the first SIGINT or SIGTERM. */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(signal));
  });
}
