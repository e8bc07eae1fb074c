import { randomUUID } from "node:crypto";
import { type Connection, type Database, quoteIdentifier, type RunOptions } from "#duckdb";
import {
  counted,
  NUMBER,
  type NumberedRows,
  numbered,
  type PageExtent,
  type PageSource,
  type PlaceRow,
  placeOf,
  placeTexts,
  SLACK,
} from "./page-source.js";

/**
 * The rows of one page in a table of its own, read from the view once: how far they reach and how they are encoded is then asked of the
 * table. Its engine moves it to disk when memory is short. Drop it when done.
 */
export class PageTable {
  readonly extent: PageExtent;
  private readonly database: Database;
  private readonly name: string;
  private readonly source: PageSource;

  private constructor(database: Database, name: string, source: PageSource, extent: PageExtent) {
    this.database = database;
    this.name = name;
    this.source = source;
    this.extent = extent;
  }

  /** Reads the page. */
  static async read(database: Database, source: PageSource, options: RunOptions): Promise<PageTable> {
    const name = `${await database.passing()}.${quoteIdentifier(`_lake_page_${randomUUID()}`)}`;
    return await database.with(async (connection) => {
      for (let slack = SLACK; ; slack *= 16) {
        const rows = await numbered(source, slack);
        const extent = await fill(connection, name, source, rows, options);
        if (extent !== undefined) return new PageTable(database, name, source, extent);
      }
    });
  }

  /** SELECT of the answer's rows, in their order. */
  statement(): string {
    const { names, skip } = this.source;
    const rows = `${NUMBER} > ${skip} AND ${NUMBER} <= ${skip + this.extent.rowCount}`;
    return `SELECT ${names.map(quoteIdentifier).join(", ")} FROM ${this.name} WHERE ${rows} ORDER BY ${NUMBER}`;
  }

  /** Frees the rows. */
  async drop(): Promise<void> {
    await this.database.with((connection) => connection.run(`DROP TABLE IF EXISTS ${this.name}`));
  }
}

/** Puts the rows into the table; undefined when rows of the last place may be missing. */
async function fill(
  connection: Connection,
  name: string,
  source: PageSource,
  { sql, parameters, most }: NumberedRows,
  options: RunOptions,
): Promise<PageExtent | undefined> {
  const [made] = await connection.rows<{ Count: string }>(
    `CREATE OR REPLACE TABLE ${name} AS ${sql}`,
    [...parameters],
    options,
  );
  const total = Number(made!.Count);
  const counts = counted(source, total);
  if (!counts.more || counts.rowCount === 0) return { ...counts, last: undefined };
  const ends = await connection.rows<PlaceRow>(
    `SELECT ${placeTexts(source.sort)} FROM ${name} WHERE ${NUMBER} IN (${source.skip + counts.rowCount}, ${total}) ORDER BY ${NUMBER}`,
    [],
    options,
  );
  const [last, beyond] = [ends[0]!, ends.at(-1)!];
  const place = placeOf(source, { rowCount: counts.rowCount, cut: total === most, last, beyond });
  return place && { ...counts, last: place };
}
