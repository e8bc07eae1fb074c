import path from "node:path";
import { isSecret, type LoadedConfig, readSecret } from "#config";
import { createFhirHttp, type FhirHttp } from "#ingestion";
import type { Lake } from "#lake";
import { startCatchUp } from "../catch-up.js";
import type { FetchSource } from "../fetch-back/index.js";
import { journalFile } from "../journal-files.js";
import { configuredSenders } from "../senders.js";
import type { LiveServing } from "../serve.js";
import { httpSettings, type SourceDefinition } from "../source-run/source.js";
import { followSettings } from "../subscribe/settings.js";
import type { Invocation } from "./command.js";
import { configuredSources, loadedConfig } from "./config-option.js";
import { runContext } from "./run-context.js";

/** Connections to sources, opened when first needed. */
class FetchSources {
  private readonly definitions: ReadonlyMap<string, SourceDefinition>;
  private readonly open = new Map<string, FhirHttp>();

  constructor(definitions: ReadonlyMap<string, SourceDefinition>) {
    this.definitions = definitions;
  }

  get(name: string): FetchSource | undefined {
    const definition = this.definitions.get(name);
    if (definition === undefined) return undefined;
    const http = this.open.get(name) ?? createFhirHttp(httpSettings(definition));
    this.open.set(name, http);
    return { policy: definition.config.order, http };
  }

  async close(): Promise<void> {
    for (const http of this.open.values()) await http.close();
  }
}

/** How a serving command follows live changes, and what to end when serving has ended. */
export interface LiveSide {
  readonly live: LiveServing | undefined;
  close(): Promise<void>;
}

/** Where live versions are shared: REDIS_URL, else `speed.redis` of the configuration. */
function redisUrl({ config, folder }: LoadedConfig, environment: NodeJS.ProcessEnv): string | undefined {
  const named = environment["REDIS_URL"];
  if (named !== undefined && named !== "") return named;
  const { redis } = config.speed;
  return isSecret(redis) ? readSecret(redis, "speed.redis", { environment, folder }) : redis;
}

/**
 * How a serving command follows live changes: the journal in Postgres (`DATABASE_URL`) or in the lake's file, and the senders and sources
 * of the configuration. Without `live` for a remote lake that has no journal, which is served by snapshots alone.
 */
export async function liveSide(invocation: Invocation, lake: Lake): Promise<LiveSide> {
  const { environment, output } = invocation;
  const databaseUrl = environment["DATABASE_URL"];
  const file = journalFile(lake.store.location, environment);
  if (file === undefined && databaseUrl === undefined) return { live: undefined, close: async () => {} };
  const loaded = loadedConfig(invocation);
  const definitions = new Map(
    configuredSources(loaded, environment).map((source) => [source.name, source] as const),
  );
  const log = (message: string): void => output.note(`${new Date().toISOString()} ${message}`);
  const context = await runContext(invocation, lake, loaded, { log });
  const sources = new FetchSources(definitions);
  const catchUp = startCatchUp(context, definitions);
  return {
    live: {
      journal: { file: file ?? path.resolve("journal.sqlite"), databaseUrl },
      redisUrl: redisUrl(loaded, environment),
      senders: configuredSenders(loaded, environment),
      views: context.views,
      orders: new Map([...definitions].map(([name, { config }]) => [name, config.order])),
      fetchBack: {
        sources: [...definitions.keys()],
        source: (name) => sources.get(name),
      },
      follow: {
        sources: [...definitions.values()].flatMap((source) => followSettings(source) ?? []),
        catchUp,
      },
    },
    close: async () => {
      await catchUp.close();
      await sources.close();
    },
  };
}
