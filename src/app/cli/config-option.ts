import { durationMs, type LoadedConfig, loadConfig } from "#config";
import type { SourceDefinition } from "../source-run/source.js";
import type { Invocation } from "./command.js";

/** The configuration of `--config`, FHIR_LAKE_CONFIG or the current folder; the defaults when there is none. */
export function loadedConfig({
  values,
  environment,
}: Pick<Invocation, "values" | "environment">): LoadedConfig {
  const file = values["config"];
  const named = typeof file === "string" ? { file } : {};
  return loadConfig({ ...named, environment, folder: process.cwd() });
}

/** All configured sources, by name. */
export function configuredSources(loaded: LoadedConfig, environment: NodeJS.ProcessEnv): SourceDefinition[] {
  const { config, folder } = loaded;
  return Object.entries(config.sources)
    .map(([name, source]) => ({ name, config: source, folder, environment }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Milliseconds by source with a staleness target. */
export function stalenessTargets({ config }: LoadedConfig): Record<string, number> {
  const targets: Record<string, number> = {};
  for (const [name, { stalenessTarget }] of Object.entries(config.sources)) {
    if (stalenessTarget !== undefined) targets[name] = durationMs(stalenessTarget);
  }
  return targets;
}
