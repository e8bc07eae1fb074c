import { isLakeError } from "#kernel";
import type { RunContext } from "./source-run/context.js";
import { runAndTell } from "./source-run/run-and-tell.js";
import type { RunOutcome } from "./source-run/run-source.js";
import type { SourceDefinition } from "./source-run/source.js";

/** Runs sources out of their schedules when something is known to have changed. */
export interface CatchUp {
  /**
   * The outcome of a run that begins after this call; several calls during a run make one more. It may resume one that failed, see
   * `RunRecord.resumes`. Undefined when none could begin: the source is not configured, another process
   * runs it (its run may have begun before), or this is closing.
   */
  run(name: string): Promise<RunOutcome | undefined>;
  /** Ends after all runs under way, which stop where they are. */
  close(): Promise<void>;
}

type Waiting = (outcome: RunOutcome | undefined) => void;

/**
 * Starts runs as they are wanted, of each source one at a time; sources do not wait for each other, but for their turn to land (`turn`), as those of
 * schedules do. A run that fails is left to the schedule, its failure to the webhooks.
 */
export function startCatchUp(context: RunContext, sources: ReadonlyMap<string, SourceDefinition>): CatchUp {
  const wanted = new Map<string, Waiting[]>();
  const working = new Map<string, Promise<void>>();
  const stop = new AbortController();
  const once = async (name: string): Promise<RunOutcome | undefined> => {
    const source = sources.get(name);
    if (source === undefined) return undefined;
    try {
      return await runAndTell(context, { source, trigger: "notification", signal: stop.signal });
    } catch (error) {
      context.log?.(`catching up with ${name} failed: ${isLakeError(error) ? error.code : "internal"}`);
      return undefined;
    }
  };
  const work = async (name: string): Promise<void> => {
    for (let waiting = wanted.get(name); waiting !== undefined; waiting = wanted.get(name)) {
      wanted.delete(name);
      const outcome = stop.signal.aborted ? undefined : await once(name);
      for (const tell of waiting) tell(outcome);
    }
    working.delete(name);
  };
  const queue = (name: string, waiting: Waiting): void => {
    if (stop.signal.aborted) {
      waiting(undefined);
      return;
    }
    wanted.set(name, [...(wanted.get(name) ?? []), waiting]);
    if (!working.has(name)) working.set(name, work(name));
  };
  return {
    run: (name) => new Promise((resolve) => queue(name, resolve)),
    close: async () => {
      stop.abort();
      await Promise.all(working.values());
    },
  };
}
