import { quoteIdentifier } from "#duckdb";
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

/** Number of a row in the order of the answer, from 1. */
export const NUMBER = "_lake_n";
/** Number of the first row that has the same place. */
export const RANK = "_lake_rank";
/** Rows that are read beyond the page at first, since those of the last resource must all be there to be put in order. */
export const SLACK = 64;

/** The rows of a source with {@link NUMBER} and {@link RANK}. */
export interface NumberedRows {
  readonly sql: string;
  readonly parameters: readonly string[];
  /** As many rows as there can be at most. */
  readonly most: number;
}

/** The rows of a page and as many more as `slack`. */
export async function numbered(source: PageSource, slack: number): Promise<NumberedRows> {
  const { names, sort, limit, skip } = source;
  const most = skip + limit + slack;
  const { sql, parameters } = await source.select(most);
  const directions = sort.map(
    ({ descending, nullsFirst }, i) =>
      `${sortName(i)} ${descending ? "DESC" : "ASC"} NULLS ${nullsFirst ? "FIRST" : "LAST"}`,
  );
  const place = [...directions, sortName("key")].join(", ");
  const order = [place, ...names.map(quoteIdentifier)].join(", ");
  const numbers = `row_number() OVER (ORDER BY ${order}) AS ${NUMBER}, rank() OVER (ORDER BY ${place}) AS ${RANK}`;
  return { sql: `SELECT *, ${numbers} FROM (${sql})`, parameters, most };
}

/** What is selected of a numbered row to know its place: its rank and the place as text. */
export function placeTexts(sort: readonly SortColumn[]): string {
  const places = [...sort.map((_, i) => sortName(i)), sortName("key")];
  const texts = places.map((place, i) => `CAST(${place} AS VARCHAR) AS place${i}`);
  return [`CAST(${RANK} AS VARCHAR) AS rank`, ...texts].join(", ");
}

/** Rank and place of a row as {@link placeTexts} selects them. */
export interface PlaceRow {
  readonly rank: string;
  readonly [place: `place${number}`]: string | null;
}

/** How many rows a page has when its source gave `total`, those to skip included. */
export function counted({ limit, skip }: PageSource, total: number): Pick<PageExtent, "rowCount" | "more"> {
  return { rowCount: Math.max(0, Math.min(total - skip, limit)), more: total - skip > limit };
}

/**
 * The place of the page's last row, `last`, where `beyond` is the last row that was read; undefined when rows of the same place may be
 * missing among those that were read.
 */
export function placeOf(
  { sort, skip }: PageSource,
  rows: {
    readonly rowCount: number;
    readonly cut: boolean;
    readonly last: PlaceRow;
    readonly beyond: PlaceRow;
  },
): Position | undefined {
  const { rowCount, cut, last, beyond } = rows;
  if (cut && beyond.rank === last.rank) return undefined;
  const text = (index: number) => last[`place${index}`] ?? null;
  const alike = skip + rowCount - Number(last.rank) + 1;
  return { values: sort.map((_, i) => text(i)), key: text(sort.length)!, skip: alike };
}
