import { randomUUID } from "node:crypto";
import { type Connection, type Database, quoteIdentifier, type RunOptions } from "#duckdb";
import {
  counted,
  type PageExtent,
  type PageSource,
  placeOrder,
  placeTexts,
  rowOrder,
  SLACK,
} from "./page-source.js";
import type { Position } from "./position.js";

/** Number of a row in the order of the answer, from 1. */
const NUMBER = "_lake_n";
/** Number of the first row that has the same place. */
const RANK = "_lake_rank";

/** Rank and place of a row. */
interface PlaceRow {
  readonly rank: string;
  readonly [place: `place${number}`]: string | null;
}

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
        const extent = await fill(connection, name, source, slack, options);
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
  slack: number,
  options: RunOptions,
): Promise<PageExtent | undefined> {
  const { limit, skip } = source;
  const most = skip + limit + slack;
  const { sql, parameters } = await source.select(most);
  const numbers = `row_number() OVER (ORDER BY ${rowOrder(source)}) AS ${NUMBER}, rank() OVER (ORDER BY ${placeOrder(source)}) AS ${RANK}`;
  const [made] = await connection.rows<{ Count: string }>(
    `CREATE OR REPLACE TABLE ${name} AS SELECT *, ${numbers} FROM (${sql})`,
    [...parameters],
    options,
  );
  const total = Number(made!.Count);
  const counts = counted(source, total);
  const { rowCount } = counts;
  if (!counts.more || rowCount === 0) return { ...counts, last: undefined };
  const ends = await connection.rows<PlaceRow>(
    `SELECT CAST(${RANK} AS VARCHAR) AS rank, ${placeTexts(source)} FROM ${name} WHERE ${NUMBER} IN (${skip + rowCount}, ${total}) ORDER BY ${NUMBER}`,
    [],
    options,
  );
  const [last, beyond] = [ends[0]!, ends.at(-1)!];
  if (total === most && beyond.rank === last.rank) return undefined;
  return { ...counts, last: positionOf(source, last) };
}

function positionOf({ sort, skip, limit }: PageSource, last: PlaceRow): Position {
  const text = (index: number): string | null => last[`place${index}`] ?? null;
  const alike = skip + limit - Number(last.rank) + 1;
  return { values: sort.map((_, i) => text(i)), key: text(sort.length)!, skip: alike };
}
