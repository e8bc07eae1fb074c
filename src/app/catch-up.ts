import { isLakeError } from "#kernel";
import type { RunContext } from "./source-run/context.js";
import { runAndTell } from "./source-run/run-and-tell.js";
import type { RunOutcome } from "./source-run/run-source.js";
import type { SourceDefinition } from "./source-run/source.js";

/** Runs sources out of their schedules when something is known to have changed. */
export interface CatchUp {
  /** A run of this source is due; several wishes during a run make one more run. */
  want(name: string): void;
  /**
   * The outcome of a run that begins after this call. Undefined when none could begin: the source is not configured, another process
   * runs it (its run may have begun before), or this is closing.
   */
  run(name: string): Promise<RunOutcome | undefined>;
  /** Ends after the runs under way, which stop where they are. */
  close(): Promise<void>;
}

type Waiting = (outcome: RunOutcome | undefined) => void;

/** Starts runs as they are wanted, one at a time. A run that fails is left to the schedule, its failure to the webhooks. */
export function startCatchUp(context: RunContext, sources: ReadonlyMap<string, SourceDefinition>): CatchUp {
  const wanted = new Map<string, Waiting[]>();
  const stop = new AbortController();
  let working: Promise<void> | undefined;
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
  const work = async (): Promise<void> => {
    for (let next = first(wanted); next !== undefined; next = first(wanted)) {
      const [name, waiting] = next;
      wanted.delete(name);
      const outcome = stop.signal.aborted ? undefined : await once(name);
      for (const tell of waiting) tell(outcome);
    }
    working = undefined;
  };
  const queue = (name: string, ...waiting: Waiting[]): void => {
    wanted.set(name, [...(wanted.get(name) ?? []), ...waiting]);
    working ??= work();
  };
  return {
    want: (name) => queue(name),
    run: (name) =>
      stop.signal.aborted ? Promise.resolve(undefined) : new Promise((resolve) => queue(name, resolve)),
    close: async () => {
      stop.abort();
      await working;
    },
  };
}

function first(wanted: ReadonlyMap<string, Waiting[]>): [string, Waiting[]] | undefined {
  return wanted.entries().next().value;
}
