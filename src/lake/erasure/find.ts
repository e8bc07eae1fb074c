import type { Connection } from "#duckdb";
import { quoteLiteral } from "#duckdb";
import type { Lake } from "../lake.js";
import { Belonging } from "./belonging.js";
import { keyRelation, mentioningRows } from "./mention-sql.js";
import type { ErasureRequest } from "./request.js";

/** A data file on this machine with the key it stands under. */
export interface LocalFile {
  readonly key: string;
  readonly path: string;
}

/** What table files hold of the persons of a request. */
export interface FoundRows {
  /** Rows that go, by object key of their file: hashed key and order key. */
  readonly own: ReadonlyMap<string, readonly { readonly key: string; readonly order: string }[]>;
  /** Hashed keys of the resources that any own row is a version of. */
  readonly ownKeys: ReadonlySet<string>;
  /** Hashed keys of resources that name a person without being that person's. */
  readonly mentionKeys: ReadonlySet<string>;
}

/** The resource type or view name that a data file is of. */
function subjectOf(key: string): string {
  return key.split("/")[1] ?? "";
}

/** Files by the type or view they are of. */
export function bySubject(files: readonly LocalFile[]): Map<string, LocalFile[]> {
  const groups = new Map<string, LocalFile[]>();
  for (const file of files) {
    const subject = subjectOf(file.key);
    groups.set(subject, [...(groups.get(subject) ?? []), file]);
  }
  return groups;
}

/** Files read by one statement; more would make statements of megabytes. */
const FILES_AT_ONCE = 500;

function batches<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < items.length; i += FILES_AT_ONCE) parts.push(items.slice(i, i + FILES_AT_ONCE));
  return parts;
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

async function mentions(
  connection: Connection,
  files: readonly LocalFile[],
  type: string,
  source: string,
  persons: readonly string[],
): Promise<Row[]> {
  const columns = `replace(_lake_key::VARCHAR, '-', '') AS "key", _lake_order AS ord, raw, _lake_source`;
  const rows = `(SELECT * FROM ${scan(files, columns)} WHERE _lake_source = ${quoteLiteral(source)})`;
  return connection.rows<Row>(mentioningRows(rows, '"key", ord, raw, _file', "raw", type, source, persons));
}

/** Looks through table files for versions that are about the request's persons, or name them. */
export async function findRows(
  lake: Lake,
  connection: Connection,
  files: readonly LocalFile[],
  request: ErasureRequest,
): Promise<FoundRows> {
  const own = new Map<string, { key: string; order: string }[]>();
  const ownKeys = new Set<string>();
  const mentionKeys = new Set<string>();
  const objectKey = new Map(files.map((file) => [file.path, file.key]));
  const byType = bySubject(files);
  for (const source of new Set(request.persons.map((person) => person.source))) {
    const persons = request.persons.filter((p) => p.source === source).map((p) => p.key);
    const belonging = new Belonging(lake.definitions, source, persons);
    for (const [type, ofType] of byType) {
      for (const part of batches(ofType)) {
        for (const row of await mentions(connection, part, type, source, persons)) {
          const goes = request.mentions === "erase" || belonging.owns(type, JSON.parse(row.raw));
          if (!belonging.owns(type, JSON.parse(row.raw))) mentionKeys.add(row.key);
          if (!goes) continue;
          const file = objectKey.get(row._file)!;
          own.set(file, [...(own.get(file) ?? []), { key: row.key, order: row.ord }]);
          ownKeys.add(row.key);
        }
      }
    }
  }
  return { own, ownKeys, mentionKeys };
}

/** Object keys of the files (of tables or views) that hold any of these keys, with the number of rows. */
export async function filesWithKeys(
  connection: Connection,
  files: readonly LocalFile[],
  keys: ReadonlySet<string>,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  if (keys.size === 0) return found;
  const objectKey = new Map(files.map((file) => [file.path, file.key]));
  for (const part of batches(files)) {
    if (part.length === 0) continue;
    const rows = await connection.rows<{ _file: string; n: string }>(
      `SELECT _file, count(*) AS n FROM ${scan(part, "_lake_key")} SEMI JOIN ${keyRelation(keys)} USING (_lake_key) GROUP BY _file`,
    );
    for (const row of rows) found.set(objectKey.get(row._file)!, Number(row.n));
  }
  return found;
}
