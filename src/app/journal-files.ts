import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { type EventStore, openEventStore } from "#events";
import type { ExtraFile, Lake } from "#lake";
import { isRemote } from "#storage";

/** Name under which a backup keeps the journal. */
const JOURNAL = "journal.sqlite";
const AUDIT = "audit.sqlite";

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

/**
 * Where the audit log of a lake is when it is a file: `FHIR_LAKE_AUDIT`, else beside the journal. Undefined where neither is a file.
 */
export function auditFile(location: string, environment: NodeJS.ProcessEnv): string | undefined {
  if (environment["DATABASE_URL"] !== undefined) return undefined;
  const named = environment["FHIR_LAKE_AUDIT"];
  if (named !== undefined && named !== "") return path.resolve(named);
  const journal = journalFile(location, environment);
  return journal === undefined ? undefined : path.join(path.dirname(journal), AUDIT);
}

/** Where a file that a backup kept with the lake goes on restore; undefined for one that has no place here. */
export function journalPlace(
  location: string,
  name: string,
  environment: NodeJS.ProcessEnv,
): string | undefined {
  if (name === AUDIT) return auditFile(location, environment);
  return name === JOURNAL ? journalFile(location, environment) : undefined;
}

async function isThere(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined;
}

/**
 * The journal of a lake, opened for a command; undefined where there is none yet, since looking makes none. The caller closes it. Errors:
 * as those of `openEventStore`.
 */
export async function presentJournal(
  location: string,
  environment: NodeJS.ProcessEnv,
): Promise<EventStore | undefined> {
  const databaseUrl = environment["DATABASE_URL"];
  const file = journalFile(location, environment);
  const isPresent = databaseUrl !== undefined || (file !== undefined && (await isThere(file)));
  return isPresent ? await openEventStore({ file: file ?? "", databaseUrl }) : undefined;
}

async function copyOf(file: string, name: string, folder: string): Promise<ExtraFile[]> {
  const store = await openEventStore({ file });
  try {
    const copy = await store.copyTo(path.join(folder, name));
    return copy === undefined ? [] : [{ name, path: copy }];
  } finally {
    await store.close();
  }
}

/** Copies of the journal and of the audit log for a backup: `take` makes one that is consistent while others append, `discard` removes it. */
export async function journalCopies(
  lake: Lake,
  environment: NodeJS.ProcessEnv,
): Promise<{ take: () => Promise<ExtraFile[]>; discard: () => Promise<void> }> {
  const { location } = lake.store;
  const wanted = [
    [JOURNAL, journalFile(location, environment)],
    [AUDIT, auditFile(location, environment)],
  ] as const;
  const found: { readonly name: string; readonly file: string }[] = [];
  for (const [name, file] of wanted)
    if (file !== undefined && (await isThere(file))) found.push({ name, file });
  if (found.length === 0) return { take: async () => [], discard: async () => {} };
  const staging = await lake.store.stagingDirectory(`journal-${process.pid}`);
  return {
    take: async () => {
      const copies: ExtraFile[] = [];
      for (const { name, file } of found) copies.push(...(await copyOf(file, name, staging)));
      return copies;
    },
    discard: () => rm(staging, { recursive: true, force: true }),
  };
}
