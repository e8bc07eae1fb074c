import { type Database, quoteIdentifier } from "#duckdb";
import type { SnapshotReader } from "../catalog.js";
import type { UnitsOf } from "./scan.js";
import { conversion, type Linear } from "./units.js";

/** More units than this in one column are not units but free text. */
const MOST_UNITS = 10_000;

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
      const name = quoteIdentifier(column);
      const relation = await snapshot.views.get(view)!.relation();
      const rows = await database.with((connection) =>
        connection.rows<{ unit: string }>(
          `SELECT DISTINCT ${name} AS unit FROM ${relation} WHERE ${name} IS NOT NULL LIMIT ${MOST_UNITS}`,
          [],
          { signal },
        ),
      );
      const linear = rows.flatMap(({ unit: from }): [string, Linear][] => {
        const how = from === unit ? undefined : conversion(from, unit);
        return how === undefined ? [] : [[from, how]];
      });
      this.known.set(key, new Map(linear));
    }
    return news;
  }
}
