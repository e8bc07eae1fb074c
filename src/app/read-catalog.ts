import { systemClock } from "#kernel";
import type { Lake } from "#lake";
import { type LakeCatalog, lakeCatalog, mergedCatalog, withSystemViews } from "#query";
import { Ledger } from "#runs";
import { LiveLake } from "#speed";
import { presentJournal } from "./journal-files.js";
import { runsView } from "./system-views.js";

/** A lake's states for one command. */
export interface CommandCatalog {
  readonly catalog: LakeCatalog;
  close(): Promise<void>;
}

function withRuns(lake: Lake, catalog: LakeCatalog): LakeCatalog {
  return withSystemViews(catalog, [runsView(new Ledger({ store: lake.store, clock: systemClock }))]);
}

/**
 * The states of a lake as its server would read them: with the changes of the journal where there is one, unless snapshots alone are
 * wanted. The changes since the last snapshot are read before it answers.
 */
export async function openReadCatalog(
  lake: Lake,
  options: { readonly environment: NodeJS.ProcessEnv; readonly consistency: "merged" | "batch" },
): Promise<CommandCatalog> {
  const { environment, consistency } = options;
  const batch = lakeCatalog(lake);
  const journal =
    consistency === "batch" ? undefined : await presentJournal(lake.store.location, environment);
  if (journal === undefined) return { catalog: withRuns(lake, batch), close: async () => {} };
  try {
    const live = await LiveLake.start({ lake, journal, database: lake.database });
    const catalog = mergedCatalog({ batch, live, database: lake.database });
    return {
      catalog: withRuns(lake, catalog),
      close: async () => {
        await live.stop();
        await journal.close();
      },
    };
  } catch (error) {
    await journal.close();
    throw error;
  }
}
