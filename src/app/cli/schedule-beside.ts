import type { Lake } from "#lake";
import { hasDuties, runScheduler } from "../source-run/scheduler.js";
import type { Invocation } from "./command.js";
import { configuredSources, loadedConfig } from "./config-option.js";
import { runContext } from "./run-context.js";

/**
 * Runs the configured schedules and watches sources for staleness while `work` goes on. A run under way when the work ends stops where it
 * is; the next one resumes it. Does nothing but the work when no source has a schedule or a target.
 */
export async function withSchedules<T>(
  invocation: Invocation,
  lake: Lake,
  work: () => Promise<T>,
): Promise<T> {
  const loaded = loadedConfig(invocation);
  const sources = configuredSources(loaded, invocation.environment);
  if (!hasDuties(sources)) return work();
  const log = (message: string): void => invocation.output.note(`${new Date().toISOString()} ${message}`);
  const context = await runContext(invocation, lake, loaded, { log });
  const stop = new AbortController();
  const scheduler = runScheduler({ context, sources, signal: stop.signal });
  try {
    return await work();
  } finally {
    stop.abort();
    await scheduler;
  }
}
