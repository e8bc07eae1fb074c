import path from "node:path";
import { loadViews, shippedViewsDirectory } from "#batch";
import type { LoadedConfig } from "#config";
import { systemWaitingClock } from "#ingestion";
import type { Lake } from "#lake";
import type { OnRunProgress, RunContext } from "../source-run/context.js";
import { Turn } from "../source-run/turn.js";
import type { Invocation } from "./command.js";
import { listOption } from "./option-value.js";

/** What runs of this lake's sources work with: shipped views, those of the configuration and of `--views`. */
export async function runContext(
  invocation: Invocation,
  lake: Lake,
  { config, folder }: LoadedConfig,
  more: { readonly onProgress?: OnRunProgress; readonly log?: (message: string) => void } = {},
): Promise<RunContext> {
  const own = config.views.map((dir) => path.resolve(folder, dir));
  const folders = [shippedViewsDirectory(), ...own, ...listOption(invocation.values, "views")];
  const views = await loadViews(folders, lake.definitions);
  return { lake, config, views, clock: systemWaitingClock, turn: new Turn(), ...more };
}

/** A signal that is aborted by the first SIGINT or SIGTERM; `off` stops listening. */
export function stopSignal(): { readonly signal: AbortSignal; readonly off: () => void } {
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, stop);
  return {
    signal: abort.signal,
    off: () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, stop);
    },
  };
}
