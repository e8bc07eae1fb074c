import type { RunContext } from "./source-run/context.js";
import { runAndTell } from "./source-run/run-and-tell.js";
import type { SourceDefinition } from "./source-run/source.js";

/** Runs sources out of their schedules when something is known to have changed. */
export interface CatchUp {
  /** A run of this source is due; several wishes during a run make one more run. */
  want(name: string): void;
  /** Ends after the runs under way, which stop where they are. */
  close(): Promise<void>;
}

/** Starts runs as they are wanted, one at a time. A run that fails is left to the schedule, its failure to the webhooks. */
export function startCatchUp(context: RunContext, sources: ReadonlyMap<string, SourceDefinition>): CatchUp {
  const wanted = new Set<string>();
  const stop = new AbortController();
  let working: Promise<void> | undefined;
  const work = async (): Promise<void> => {
    for (let name = first(wanted); name !== undefined && !stop.signal.aborted; name = first(wanted)) {
      wanted.delete(name);
      const source = sources.get(name);
      if (source === undefined) continue;
      await runAndTell(context, { source, trigger: "notification", signal: stop.signal }).catch(
        (error: unknown) => {
          const code = (error as { code?: string }).code ?? "internal";
          context.log?.(`catching up with ${name} failed: ${code}`);
        },
      );
    }
    working = undefined;
  };
  return {
    want: (name) => {
      wanted.add(name);
      working ??= work();
    },
    close: async () => {
      stop.abort();
      await working;
    },
  };
}

function first(names: ReadonlySet<string>): string | undefined {
  return names.values().next().value;
}
