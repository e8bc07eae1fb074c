import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { openEventStore } from "#events";
import type { ExtraFile, Lake } from "#lake";
import { isRemote } from "#storage";

/** Name under which a backup keeps the journal. */
const JOURNAL = "journal.sqlite";

/**
 * Where the journal of a lake is when it is a file: `FHIR_LAKE_JOURNAL`, else `journal/journal.sqlite` in the lake's folder. Undefined
 * for a remote lake without that setting, and where the journal is in Postgres (`DATABASE_URL`), which has backups of its own.
 */
export function journalFile(location: string, environment: NodeJS.ProcessEnv): string | undefined {
  if (environment["DATABASE_URL"] !== undefined) return undefined;
  const named = environment["FHIR_LAKE_JOURNAL"];
  if (named !== undefined) return path.resolve(named);
  return isRemote(location) ? undefined : path.join(location, "journal", JOURNAL);
}

/** Where a file that a backup kept with the lake goes on restore; undefined for one that has no place here. */
export function journalPlace(
  location: string,
  name: string,
  environment: NodeJS.ProcessEnv,
): string | undefined {
  return name === JOURNAL ? journalFile(location, environment) : undefined;
}

/** Copies of the journal for a backup: `take` makes one that is consistent while others append, `discard` removes it. */
export async function journalCopies(
  lake: Lake,
  environment: NodeJS.ProcessEnv,
): Promise<{ take: () => Promise<ExtraFile[]>; discard: () => Promise<void> }> {
  const file = journalFile(lake.store.location, environment);
  const present = file !== undefined && (await stat(file).catch(() => undefined)) !== undefined;
  if (file === undefined || !present) return { take: async () => [], discard: async () => {} };
  const staging = await lake.store.stagingDirectory(`journal-${process.pid}`);
  return {
    take: async () => {
      const journal = await openEventStore({ file });
      try {
        const copy = await journal.copyTo(path.join(staging, JOURNAL));
        return copy === undefined ? [] : [{ name: JOURNAL, path: copy }];
      } finally {
        await journal.close();
      }
    },
    discard: () => rm(staging, { recursive: true, force: true }),
  };
}
