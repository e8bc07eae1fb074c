import { LakeError } from "#kernel";
import type { FetchSource } from "./look.js";
import { type FetchDelay, SourceFetchBack, type SourceFetchBackOptions } from "./source-fetch-back.js";

export type { FetchSource } from "./look.js";
export type { FetchDelay } from "./source-fetch-back.js";

/** What fetching back works with. */
export interface FetchBackOptions extends Omit<SourceFetchBackOptions, "name" | "source"> {
  /** Names of the sources whose resources are read. */
  readonly sources: readonly string[];
  /** The source of that name, or undefined when it is not configured here. */
  readonly source: (name: string) => FetchSource | undefined;
}

/** Fetching back that goes on until it is stopped. */
export interface FetchingBack {
  /** Resolves when everything of a source up to a journal position that was to be read has been. Errors: `app/fetch-back` for others. */
  reached(source: string, position: number): Promise<void>;
  /** Why what notifications of a source named is not here yet; undefined while nothing waits for long. */
  delay(source: string): FetchDelay | undefined;
  stop(): Promise<void>;
}

/**
 * Reads resources that notifications named without showing them, and confirms deletes that came without their place among the versions. Each
 * source has a queue of its own, in the journal: what could not be read is tried again, and what cannot be told by reading makes a run due.
 */
export function startFetchBack(options: FetchBackOptions): FetchingBack {
  const { sources, source, ...rest } = options;
  const queues = new Map(
    sources.map(
      (name) => [name, new SourceFetchBack({ ...rest, name, source: () => source(name) })] as const,
    ),
  );
  return {
    reached: async (name, position) => {
      const queue = queues.get(name);
      if (queue === undefined)
        throw new LakeError("internal", "app/fetch-back", `Nothing is read back from the source ${name}.`);
      await queue.reached(position);
    },
    delay: (name) => queues.get(name)?.delay,
    stop: async () => void (await Promise.all([...queues.values()].map((queue) => queue.stop()))),
  };
}
