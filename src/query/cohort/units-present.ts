import { createHash } from "node:crypto";
import { type Database, quoteIdentifier } from "#duckdb";
import type { SnapshotReader, SnapshotView } from "../catalog.js";
import type { UnitsOf } from "./scan.js";
import { conversion, type Linear } from "./units.js";

/** More units than this in one column are not units but free text. */
const MOST_UNITS = 10_000;

/** Lists of units that are remembered per engine. */
const MOST_LISTS = 200;

/** The distinct units of columns of materialized views, by the text of the relation: that names files and points, which never change. */
const lists = new WeakMap<Database, Map<string, readonly string[]>>();

async function readUnits(
  database: Database,
  view: SnapshotView,
  column: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const name = quoteIdentifier(column);
  const sql = `SELECT DISTINCT ${name} AS unit FROM ${await view.relation()} WHERE ${name} IS NOT NULL LIMIT ${MOST_UNITS}`;
  const read = async (): Promise<readonly string[]> =>
    (await database.with((connection) => connection.rows<{ unit: string }>(sql, [], { signal }))).map(
      ({ unit }) => unit,
    );
  return view.hash === undefined ? await read() : await remembered(database, sql, read);
}

async function remembered(
  database: Database,
  sql: string,
  read: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const known = lists.get(database) ?? new Map<string, readonly string[]>();
  lists.set(database, known);
  const key = createHash("sha256").update(sql).digest("base64");
  const units = known.get(key) ?? (await read());
  // The last in line to be forgotten.
  known.delete(key);
  known.set(key, units);
  const [oldest] = known.keys();
  if (known.size > MOST_LISTS) known.delete(oldest!);
  return units;
}

/**
 * Finds out how the units of a view become those that criteria ask for: the distinct units of a column are read once and converted here,
 * one by one, so that rows only need a join. Ask {@link of} while a statement is built; after {@link load} ask again.
 */
export class UnitsPresent {
  private readonly wanted = new Map<
    string,
    { readonly view: string; readonly column: string; readonly unit: string }
  >();
  private readonly known = new Map<string, ReadonlyMap<string, Linear>>();

  readonly of: UnitsOf = (view, column, unit) => {
    const key = JSON.stringify([view, column, unit]);
    this.wanted.set(key, { view, column, unit });
    return this.known.get(key) ?? new Map<string, Linear>();
  };

  /** Reads the units of everything that was asked for. Answers whether there was anything new. */
  async load(database: Database, snapshot: SnapshotReader, signal?: AbortSignal): Promise<boolean> {
    let news = false;
    for (const [key, { view, column, unit }] of this.wanted) {
      if (this.known.has(key)) continue;
      news = true;
      const units = await readUnits(database, snapshot.views.get(view)!, column, signal);
      const linear = units.flatMap((from): [string, Linear][] => {
        const how = from === unit ? undefined : conversion(from, unit);
        return how === undefined ? [] : [[from, how]];
      });
      this.known.set(key, new Map(linear));
    }
    return news;
  }
}
