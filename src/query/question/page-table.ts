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
  /** The place of the last row; undefined for a page without rows. */
  readonly last: Position | undefined;
}

const NUMBER = "_lake_n";
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
    const name = quoteIdentifier(`_lake_page_${randomUUID()}`);
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
  const order = [...directions, sortName("key"), ...names.map(quoteIdentifier)].join(", ");
  await connection.run(
    `CREATE OR REPLACE TABLE ${name} AS SELECT *, row_number() OVER (ORDER BY ${order}) AS ${NUMBER} FROM (${sql})`,
    [...parameters],
    options,
  );
  const [row] = await connection.rows<ExtentRow>(extentSql(name, source), [], options);
  const total = Number(row!.total);
  if (total === most && row!.ends_alike === true) return undefined;
  const counts = { rowCount: Math.min(total - skip, limit), more: total - skip > limit };
  const place = (index: number) => row![`place${index}`] ?? null;
  const key = place(sort.length);
  if (key === null) return { ...counts, last: undefined };
  return { ...counts, last: { values: sort.map((_, i) => place(i)), key, skip: Number(row!.alike) } };
}

interface ExtentRow {
  readonly total: string;
  /** How many of the page, and of those before it, have the place of the page's last row. */
  readonly alike: string;
  /** Whether the last row of the table has it too. */
  readonly ends_alike: boolean | null;
  readonly [place: `place${number}`]: string | null;
}

function extentSql(name: string, { sort, limit, skip }: PageSource): string {
  const places = [...sort.map((_, i) => sortName(i)), sortName("key")];
  const alike = places.map((place) => `r.${place} IS NOT DISTINCT FROM l.${place}`).join(" AND ");
  const texts = places.map((place, i) => `CAST(l.${place} AS VARCHAR) AS place${i}`).join(", ");
  const end = skip + limit;
  return `SELECT t.total, ${texts},
      (SELECT count(*) FROM ${name} r WHERE r.${NUMBER} <= ${end} AND ${alike}) AS alike,
      (SELECT count(*) > 0 FROM ${name} r WHERE r.${NUMBER} = t.total AND ${alike}) AS ends_alike
    FROM (SELECT count(*) AS total FROM ${name}) t
    LEFT JOIN ${name} l ON l.${NUMBER} > ${skip} AND l.${NUMBER} = least(${end}, t.total)`;
}
