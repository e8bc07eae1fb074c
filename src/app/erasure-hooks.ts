import { readdir, rm } from "node:fs/promises";
import { defaultTarget, dropPublished, type PublishTarget } from "#delta";
import type { ErasureHook, Lake } from "#lake";
import { openStore } from "#storage";
import { eraseInJournal } from "./journal-erasure.js";
import { presentJournal } from "./journal-files.js";

/** See {@link eraseInJournal}; a lake without a journal has nothing to do. */
function journalHook(lake: Lake, environment: NodeJS.ProcessEnv): ErasureHook {
  return {
    name: "journal",
    erase: async (request, keys) => {
      const journal = await presentJournal(lake.store.location, environment);
      if (journal === undefined) return 0;
      try {
        return await eraseInJournal(lake, journal, request, keys);
      } finally {
        await journal.close();
      }
    },
  };
}

/**
 * Published tables are dropped, log and all, because their logs hold values too; the next publication makes them anew. All tables of a
 * target go: which of them named the person cannot be told any more when an interrupted erasure is completed.
 */
function publishedHook(name: string, target: PublishTarget): ErasureHook {
  return {
    name,
    erase: () => dropPublished(target),
  };
}

/** Results of jobs are rows in every format, in which nobody can be found: all of them on this machine go. Running servers remove theirs, too. */
function jobsHook(lake: Lake): ErasureHook {
  return {
    name: "jobs",
    erase: async () => {
      const folder = await lake.store.workDirectory("jobs");
      const count = (await readdir(folder)).length;
      await rm(folder, { recursive: true, force: true });
      return count;
    },
  };
}

/** What an erasure must reach beside the lake's own folders: the journal, results of jobs, published tables, and further targets of publication. */
export async function erasureHooks(
  lake: Lake,
  environment: NodeJS.ProcessEnv,
  publishedTo: readonly string[],
): Promise<{ hooks: ErasureHook[]; close: () => Promise<void> }> {
  const stores = await Promise.all(publishedTo.map((location) => openStore(location, environment)));
  return {
    hooks: [
      journalHook(lake, environment),
      jobsHook(lake),
      publishedHook("published", defaultTarget(lake.store)),
      ...stores.map((store) => publishedHook(`published to ${store.location}`, { store, prefix: "" })),
    ],
    close: async () => {
      for (const store of stores) await store.close();
    },
  };
}
