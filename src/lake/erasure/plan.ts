import type { Connection } from "#duckdb";
import type { Lake } from "../lake.js";
import { currentVersions } from "../relation.js";
import type { Snapshot } from "../snapshot.js";
import { Belonging } from "./belonging.js";
import { type DataFile, split, subjectOf } from "./data-files.js";
import { filesWithKeys, findRows, type VersionName } from "./find.js";
import { keyRelation } from "./mention-sql.js";
import type { ErasureRequest } from "./request.js";

/** What of a set of files goes. */
export interface ErasurePlan {
  /** Resources of which every version goes. */
  readonly keys: ReadonlySet<string>;
  /** Resources that belong to somebody else now: only their versions about the person go. */
  readonly reassigned: ReadonlySet<string>;
  /** Single versions that go, by object key of their file. */
  readonly rows: ReadonlyMap<string, readonly VersionName[]>;
  /** Object keys of the files that hold anything that goes. */
  readonly files: ReadonlySet<string>;
  /**
   * Those of them that are views' files with rows of reassigned resources only. View rows do not say of which version they are: in the
   * newest snapshot's own files, once written anew, they are of the current one.
   */
  readonly doubtful: ReadonlySet<string>;
  /** Resources that name a person and stay, or go with `mentions: erase`, by type. */
  readonly mentions: Readonly<Record<string, number>>;
  /** Versions that go with whole resources, by type. */
  readonly versions: Readonly<Record<string, number>>;
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

/** Row counts of files gathered by the type they are of. */
function byType(
  files: ReadonlyMap<string, number>,
  gather: (a: number, b: number) => number,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [key, rows] of files) {
    const type = subjectOf(key);
    counts[type] = gather(counts[type] ?? 0, rows);
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
  files: readonly DataFile[],
  request: ErasureRequest,
): Promise<ErasurePlan> {
  const { tables, views } = split(files);
  const found = await findRows(lake, connection, tables, request);
  const asked = new Set(request.keys);
  const candidates = new Set([...found.ownKeys].filter((key) => !asked.has(key)));
  const reassigned = await reassignedKeys(lake, connection, head, candidates, request);
  const keys = new Set([...asked, ...[...found.ownKeys].filter((key) => !reassigned.has(key))]);
  const rows = new Map<string, readonly VersionName[]>();
  for (const [file, own] of found.own) {
    const single = own.filter(({ key }) => reassigned.has(key));
    if (single.length > 0) rows.set(file, single);
  }
  const sets = { keys, mentions: found.mentionKeys };
  const inTables = await filesWithKeys(lake, connection, tables, sets);
  const inViews = await filesWithKeys(lake, connection, views, { keys, reassigned });
  const whole = [...inTables.keys.keys(), ...inViews.keys.keys()];
  return {
    keys,
    reassigned,
    rows,
    files: new Set([...whole, ...rows.keys(), ...inViews.reassigned.keys()]),
    doubtful: new Set([...inViews.reassigned.keys()].filter((key) => !inViews.keys.has(key))),
    // A resource stands in a file once, in several files with several versions.
    mentions: byType(inTables.mentions, Math.max),
    versions: byType(inTables.keys, (a, b) => a + b),
  };
}
