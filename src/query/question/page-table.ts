import { randomUUID } from "node:crypto";
import { type Connection, type Database, quoteIdentifier, type RunOptions } from "#duckdb";
import { type Position, type SortColumn, sortName } from "./position.js";

/** Where the rows of a page come from. */
export interface PageSource {
  /** SELECT of the rows from the page's beginning on, sorted by place but not further: the answer's columns, then those of `placeItems`. At most `most`. */
  readonly select: (
    most: number,
  ) => Promise<{ readonly sql: string; readonly parameters: readonly string[] }>;
  /** Names of the answer's columns, in order. */
  readonly names: readonly string[];
  readonly sort: readonly SortColumn[];
  /** Most rows that the page may have. */
  readonly limit: number;
  /** How many of the first rows, which all have the place where the page before ended, were in that one already. */
  readonly skip: number;
}

/** How far a page reaches. */
export interface PageExtent {
  readonly rowCount: number;
  /** True when a row follows the page. */
  readonly more: boolean;
  /** The place of the last row; undefined where no row follows it. */
  readonly last: Position | undefined;
}

const NUMBER = "_lake_n";
/** Number of the first row that has the same place. */
const RANK = "_lake_rank";
/** Rows that are read beyond the page, since those of the last resource must all be there to be put in order. */
const SLACK = 64;

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

/** Reads as many rows as the page has and `slack` more; undefined when rows of the last place may be missing. */
async function fill(
  connection: Connection,
  name: string,
  source: PageSource,
  slack: number,
  options: RunOptions,
): Promise<PageExtent | undefined> {
  const { names, sort, limit, skip } = source;
  const most = skip + limit + slack;
  const { sql, parameters } = await source.select(most);
  const directions = sort.map(
    ({ descending, nullsFirst }, i) =>
      `${sortName(i)} ${descending ? "DESC" : "ASC"} NULLS ${nullsFirst ? "FIRST" : "LAST"}`,
  );
  const place = [...directions, sortName("key")].join(", ");
  const order = [place, ...names.map(quoteIdentifier)].join(", ");
  const [made] = await connection.rows<{ Count: string }>(
    `CREATE OR REPLACE TABLE ${name} AS SELECT *, row_number() OVER (ORDER BY ${order}) AS ${NUMBER}, rank() OVER (ORDER BY ${place}) AS ${RANK} FROM (${sql})`,
    [...parameters],
    options,
  );
  const total = Number(made!.Count);
  const counts = { rowCount: Math.max(0, Math.min(total - skip, limit)), more: total - skip > limit };
  if (!counts.more || counts.rowCount === 0) return { ...counts, last: undefined };
  const end = skip + counts.rowCount;
  const ends = await connection.rows<EndRow>(endsSql(name, sort, [end, total]), [], options);
  const last = ends[0]!;
  if (total === most && ends.at(-1)!.rank === last.rank) return undefined;
  const text = (index: number) => last[`place${index}`] ?? null;
  const alike = end - Number(last.rank) + 1;
  return { ...counts, last: { values: sort.map((_, i) => text(i)), key: text(sort.length)!, skip: alike } };
}

/** The place of a row as text, and the number of the first row that has it too. */
interface EndRow {
  readonly rank: string;
  readonly [place: `place${number}`]: string | null;
}

function endsSql(name: string, sort: readonly SortColumn[], numbers: readonly number[]): string {
  const places = [...sort.map((_, i) => sortName(i)), sortName("key")];
  const texts = places.map((place, i) => `CAST(${place} AS VARCHAR) AS place${i}`).join(", ");
  return `SELECT ${RANK} AS rank, ${texts} FROM ${name} WHERE ${NUMBER} IN (${numbers.join(", ")}) ORDER BY ${NUMBER}`;
}
