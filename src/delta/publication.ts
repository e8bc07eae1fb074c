import { tooManyRecords } from "./errors.js";
import { find, type PublishTarget } from "./target.js";

/** What is known of one published table. */
export interface PublishedTable {
  /** The newest snapshot whose rows the table holds. */
  readonly snapshot: number;
  /** The Delta version that holds them. */
  readonly version: number;
  readonly rows: number;
  /** Equal when nothing that is published of the table changed: then its log need not be read. */
  readonly fingerprint: string;
  /** Equal when the rows are equal, whatever files they stand in. */
  readonly revision: string;
}

/**
 * The record of one publication: which version of every Delta table holds which snapshot. Tables at the versions of one record are
 * consistent with each other. Records are numbered; the newest one counts and repeats what earlier ones said of other tables.
 */
export interface Publication {
  readonly sequence: number;
  /** ISO instants: when the snapshot was committed, and when its publication ended. */
  readonly committedAt: string;
  readonly publishedAt: string;
  readonly tables: Readonly<Record<string, PublishedTable>>;
}

const FOLDER = "_publications/";
const KEPT = 20;
const MOST_RACES = 100;

function publicationKey(target: PublishTarget, sequence: number): string {
  return `${target.prefix}${FOLDER}${String(sequence).padStart(12, "0")}.json`;
}

async function sequences(target: PublishTarget): Promise<number[]> {
  const found: number[] = [];
  for await (const { key } of target.store.list(`${target.prefix}${FOLDER}`)) {
    const match = /\/?_publications\/(\d{12})\.json$/.exec(key);
    if (match !== null) found.push(Number(match[1]));
  }
  return found.sort((a, b) => a - b);
}

async function at(target: PublishTarget, sequence: number): Promise<Publication | undefined> {
  const bytes = await find(target.store, publicationKey(target, sequence));
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString("utf8")) as Publication);
}

/** The newest record, or undefined when nothing was published yet. */
export async function latestPublication(target: PublishTarget): Promise<Publication | undefined> {
  const newest = (await sequences(target)).at(-1);
  return newest === undefined ? undefined : at(target, newest);
}

/** What another publisher recorded meanwhile stays where it is newer. */
function merged(
  standing: Readonly<Record<string, PublishedTable>>,
  ours: Readonly<Record<string, PublishedTable>>,
): Record<string, PublishedTable> {
  const tables = { ...standing };
  for (const [name, table] of Object.entries(ours)) {
    const other = tables[name];
    if (other === undefined || other.snapshot <= table.snapshot) tables[name] = table;
  }
  return tables;
}

/** Records tables as published and forgets all but the newest {@link KEPT} records. */
export async function recordPublication(
  target: PublishTarget,
  done: Pick<Publication, "committedAt" | "publishedAt" | "tables">,
): Promise<Publication> {
  for (let race = 0; race < MOST_RACES; race++) {
    const known = await sequences(target);
    const standing = known.length === 0 ? undefined : await at(target, known.at(-1)!);
    const publication: Publication = {
      sequence: (known.at(-1) ?? 0) + 1,
      committedAt: done.committedAt,
      publishedAt: done.publishedAt,
      tables: merged(standing?.tables ?? {}, done.tables),
    };
    const key = publicationKey(target, publication.sequence);
    const outcome = await target.store.putIfAbsent(key, Buffer.from(JSON.stringify(publication)));
    if (outcome === "exists") continue;
    const old = known.slice(0, Math.max(0, known.length + 1 - KEPT));
    await target.store.deleteMany(old.map((sequence) => publicationKey(target, sequence)));
    return publication;
  }
  throw tooManyRecords(MOST_RACES);
}
