import type { Connection } from "#duckdb";
import { quoteLiteral } from "#duckdb";
import type { Lake } from "../lake.js";
import { Belonging } from "./belonging.js";
import { bySubject, type DataFile, eachBatch, type LocalFile } from "./data-files.js";
import { keysRelation, mentioningRows } from "./mention-sql.js";
import type { ErasureRequest } from "./request.js";

/** One version of a resource: hashed key and order key. */
export interface VersionName {
  readonly key: string;
  readonly order: string;
}

/** What one table file holds of the persons of a request. */
interface FileFinding {
  /** Versions that are the persons' own, or go all the same. */
  readonly own: VersionName[];
  /** Hashed keys of resources that name a person without being that person's. */
  readonly mentions: string[];
}

const NOTHING: FileFinding = { own: [], mentions: [] };

/** What table files hold of the persons of a request. */
export interface FoundRows {
  /** Rows that go, by object key of their file. */
  readonly own: ReadonlyMap<string, readonly VersionName[]>;
  /** Hashed keys of the resources that any own row is a version of. */
  readonly ownKeys: ReadonlySet<string>;
  /** Hashed keys of resources that name a person without being that person's. */
  readonly mentionKeys: ReadonlySet<string>;
}

function scan(files: readonly LocalFile[], columns: string): string {
  const list = files.map((file) => quoteLiteral(file.path)).join(", ");
  return `(SELECT ${columns}, filename AS _file FROM read_parquet([${list}], filename = true, union_by_name = true, hive_partitioning = false))`;
}

interface Row {
  readonly key: string;
  readonly ord: string;
  readonly raw: string;
  readonly _file: string;
}

/** Findings of requests that this process is at work on: files are immutable, so the texts of each are looked through once. */
const known = new WeakMap<Lake, Map<string, Map<string, FileFinding>>>();

function findingsOf(lake: Lake, request: ErasureRequest): Map<string, FileFinding> {
  const ofLake = known.get(lake) ?? new Map<string, Map<string, FileFinding>>();
  known.set(lake, ofLake);
  const found = ofLake.get(request.id) ?? new Map<string, FileFinding>();
  ofLake.set(request.id, found);
  return found;
}

/** Forgets what was found for a request that is done with. */
export function forgetFindings(lake: Lake, request: ErasureRequest): void {
  known.get(lake)?.delete(request.id);
}

class Finder {
  private readonly lake: Lake;
  private readonly connection: Connection;
  private readonly request: ErasureRequest;
  private readonly findings: Map<string, FileFinding>;

  constructor(lake: Lake, connection: Connection, request: ErasureRequest) {
    this.lake = lake;
    this.connection = connection;
    this.request = request;
    this.findings = findingsOf(lake, request);
  }

  async look(files: readonly DataFile[]): Promise<Map<string, FileFinding>> {
    const unread = files.filter((file) => !this.findings.has(file.key));
    for (const [type, ofType] of bySubject(unread)) {
      await eachBatch(this.lake, ofType, (batch) => this.lookThrough(batch, type));
    }
    return this.findings;
  }

  private async lookThrough(files: readonly LocalFile[], type: string): Promise<void> {
    const fresh = new Map<string, FileFinding>();
    const objectKey = new Map(files.map((file) => [file.path, file.key]));
    const { persons, mentions } = this.request;
    for (const source of new Set(persons.map((person) => person.source))) {
      const keys = persons.filter((p) => p.source === source).map((p) => p.key);
      const belonging = new Belonging(this.lake.definitions, source, keys);
      for (const row of await this.mentioning(files, type, source, keys)) {
        const file = objectKey.get(row._file)!;
        const finding = fresh.get(file) ?? { own: [], mentions: [] };
        fresh.set(file, finding);
        const owns = belonging.owns(type, JSON.parse(row.raw));
        if (!owns) finding.mentions.push(row.key);
        if (owns || mentions === "erase") finding.own.push({ key: row.key, order: row.ord });
      }
    }
    for (const { key } of files) this.findings.set(key, fresh.get(key) ?? NOTHING);
  }

  private async mentioning(
    files: readonly LocalFile[],
    type: string,
    source: string,
    persons: readonly string[],
  ): Promise<Row[]> {
    const columns = `replace(_lake_key::VARCHAR, '-', '') AS "key", _lake_order AS ord, raw, _lake_source`;
    const rows = `(SELECT * FROM ${scan(files, columns)} WHERE _lake_source = ${quoteLiteral(source)})`;
    return this.connection.rows<Row>(
      mentioningRows(rows, '"key", ord, raw, _file', "raw", type, source, persons),
    );
  }
}

/** Looks through table files for versions that are about the request's persons, or name them. A file looked through before is not read. */
export async function findRows(
  lake: Lake,
  connection: Connection,
  files: readonly DataFile[],
  request: ErasureRequest,
): Promise<FoundRows> {
  const findings = await new Finder(lake, connection, request).look(files);
  const own = new Map<string, readonly VersionName[]>();
  const ownKeys = new Set<string>();
  const mentionKeys = new Set<string>();
  for (const { key: file } of files) {
    const finding = findings.get(file) ?? NOTHING;
    if (finding.own.length > 0) own.set(file, finding.own);
    for (const { key } of finding.own) ownKeys.add(key);
    for (const key of finding.mentions) mentionKeys.add(key);
  }
  return { own, ownKeys, mentionKeys };
}

/**
 * How many rows of each file (of tables or views) have a key of each set, with one scan of the key columns: for every set the object keys of
 * the files that have any, with the number.
 */
export async function filesWithKeys<Name extends string>(
  lake: Lake,
  connection: Connection,
  files: readonly DataFile[],
  sets: Readonly<Record<Name, ReadonlySet<string>>>,
): Promise<Record<Name, Map<string, number>>> {
  const named = Object.entries(sets) as [Name, ReadonlySet<string>][];
  const found = Object.fromEntries(named.map(([name]) => [name, new Map()])) as Record<
    Name,
    Map<string, number>
  >;
  if (named.every(([, keys]) => keys.size === 0)) return found;
  await eachBatch(lake, files, async (batch) => {
    const objectKey = new Map(batch.map((file) => [file.path, file.key]));
    const rows = await connection.rows<{ _file: string; what: Name; n: string }>(
      `SELECT _file, what, count(*) AS n FROM ${scan(batch, "_lake_key")} JOIN ${keysRelation(sets)} USING (_lake_key) GROUP BY _file, what`,
    );
    for (const row of rows) found[row.what].set(objectKey.get(row._file)!, Number(row.n));
  });
  return found;
}
