import type { Connection } from "#duckdb";
import type { Lake } from "../lake.js";
import { currentVersions } from "../relation.js";
import { type FileRef, filesOf, type Snapshot } from "../snapshot.js";
import { Belonging } from "./belonging.js";
import { bySubject, filesWithKeys, findRows, type LocalFile } from "./find.js";
import { keyRelation } from "./mention-sql.js";
import type { ErasureRequest } from "./request.js";

/** What of a set of files goes. */
export interface ErasurePlan {
  /** Resources of which every version goes. */
  readonly keys: ReadonlySet<string>;
  /** Resources that belong to somebody else now: only their versions about the person go. */
  readonly reassigned: ReadonlySet<string>;
  /** Single versions that go, by object key of their file. */
  readonly rows: ReadonlyMap<string, readonly { readonly key: string; readonly order: string }[]>;
  /** Object keys of the files that hold anything that goes. */
  readonly files: ReadonlySet<string>;
  /**
   * Those of them that are views' files with rows of reassigned resources only. View rows do not say of which version they are: in the
   * newest snapshot's own files, once written anew, they are of the current one.
   */
  readonly doubtful: ReadonlySet<string>;
  /** Resources that name a person and stay, or go with `mentions: erase`, by type. */
  readonly mentions: Readonly<Record<string, number>>;
}

/** Table and view files among data files; key lists of views are views' files too. */
export function split(files: readonly LocalFile[]): { tables: LocalFile[]; views: LocalFile[] } {
  return {
    tables: files.filter((file) => file.key.startsWith("resources/")),
    views: files.filter((file) => file.key.startsWith("views/")),
  };
}

/** Local paths of a snapshot's data files. */
export async function localFiles(lake: Lake, files: readonly FileRef[]): Promise<LocalFile[]> {
  const paths = await lake.paths(files);
  return files.map((file, i) => ({ key: file.key, path: paths[i]! }));
}

/** Of the candidates, those whose current version is about somebody else. */
async function reassignedKeys(
  lake: Lake,
  connection: Connection,
  head: Snapshot,
  candidates: ReadonlySet<string>,
  request: ErasureRequest,
): Promise<Set<string>> {
  const found = new Set<string>();
  if (candidates.size === 0 || request.mentions === "erase") return found;
  for (const [type, table] of Object.entries(head.tables)) {
    const rows = await connection.rows<{ key: string; raw: string; source: string }>(
      `SELECT replace(_lake_key::VARCHAR, '-', '') AS "key", raw, _lake_source AS source FROM (${await currentVersions(lake, table)}) SEMI JOIN ${keyRelation(candidates)} USING (_lake_key) WHERE NOT _lake_deleted`,
    );
    for (const row of rows) {
      const persons = request.persons.filter((p) => p.source === row.source).map((p) => p.key);
      const belonging = new Belonging(lake.definitions, row.source, persons);
      if (!belonging.owns(type, JSON.parse(row.raw))) found.add(row.key);
    }
  }
  return found;
}

async function mentionCounts(
  connection: Connection,
  tables: readonly LocalFile[],
  mentionKeys: ReadonlySet<string>,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const byType = bySubject(tables);
  for (const [type, files] of byType) {
    const found = await filesWithKeys(connection, files, mentionKeys);
    if (found.size > 0) counts[type] = Math.max(...found.values());
  }
  return counts;
}

/**
 * Works out what goes of these files. Whether a resource goes as a whole depends on the newest snapshot: one whose current version is about
 * somebody else loses only its earlier versions about the person.
 */
export async function planErasure(
  lake: Lake,
  connection: Connection,
  head: Snapshot,
  files: readonly LocalFile[],
  request: ErasureRequest,
): Promise<ErasurePlan> {
  const { tables, views } = split(files);
  const found = await findRows(lake, connection, tables, request);
  const asked = new Set(request.keys);
  const candidates = new Set([...found.ownKeys].filter((key) => !asked.has(key)));
  const reassigned = await reassignedKeys(lake, connection, head, candidates, request);
  const keys = new Set([...asked, ...[...found.ownKeys].filter((key) => !reassigned.has(key))]);
  const rows = new Map<string, { key: string; order: string }[]>();
  for (const [file, own] of found.own) {
    const single = own.filter(({ key }) => reassigned.has(key));
    if (single.length > 0) rows.set(file, single);
  }
  const inTables = await filesWithKeys(connection, tables, keys);
  const inViews = await filesWithKeys(connection, views, keys);
  const doubtful = await filesWithKeys(connection, views, reassigned);
  return {
    keys,
    reassigned,
    rows,
    files: new Set([...inTables.keys(), ...rows.keys(), ...inViews.keys(), ...doubtful.keys()]),
    doubtful: new Set([...doubtful.keys()].filter((key) => !inViews.has(key))),
    mentions: await mentionCounts(connection, tables, found.mentionKeys),
  };
}

/** The files of one snapshot, for {@link planErasure}. */
export async function filesOfSnapshot(lake: Lake, snapshot: Snapshot): Promise<LocalFile[]> {
  return localFiles(lake, filesOf(snapshot));
}
