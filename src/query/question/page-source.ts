import { quoteIdentifier } from "#duckdb";
import { type Position, type SortColumn, sortName } from "./position.js";

/** Rows from a page's beginning on. */
export interface PageRows {
  /** SELECT of the answer's columns, then those of `placeItems`. */
  readonly sql: string;
  readonly parameters: readonly string[];
  /** True when a guess bounds them: as long as they are fewer than were asked for, others may be missing. */
  readonly guessed: boolean;
  /** True when they are in the order of the answer; else they are sorted by place but not further. */
  readonly sorted: boolean;
}

/** How the rows of a page are selected. */
export interface SelectOptions {
  /** True for so few that they are sorted in full at once. */
  readonly isShort?: boolean;
  /** True where how far they reach may be guessed. */
  readonly mayGuess?: boolean;
}

/** Where the rows of a page come from. */
export interface PageSource {
  /** The first rows, `most` of them if there are so many. */
  readonly select: (most: number, options?: SelectOptions) => Promise<PageRows>;
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

/** Rows that are read beyond the page at first, since those of the last resource must all be there to be put in order. */
export const SLACK = 64;

/** The items of ORDER BY that put rows of a source into the order of their places. */
export function placeOrder({ sort }: PageSource): string {
  const directions = sort.map(
    ({ descending, nullsFirst }, i) =>
      `${sortName(i)} ${descending ? "DESC" : "ASC"} NULLS ${nullsFirst ? "FIRST" : "LAST"}`,
  );
  return [...directions, sortName("key")].join(", ");
}

/** The same for the order of the answer, in which rows of one place follow each other by their values. */
export function rowOrder(source: PageSource): string {
  return [placeOrder(source), ...source.names.map(quoteIdentifier)].join(", ");
}

/** What is selected of a row to know its place as text: the sort columns, as `place0` and so on, then the key. */
export function placeTexts({ sort }: PageSource): string {
  const places = [...sort.map((_, i) => sortName(i)), sortName("key")];
  return places.map((place, i) => `CAST(${place} AS VARCHAR) AS place${i}`).join(", ");
}

/** How many rows a page has when its source gave `total`, those to skip included. */
export function counted({ limit, skip }: PageSource, total: number): Pick<PageExtent, "rowCount" | "more"> {
  return { rowCount: Math.max(0, Math.min(total - skip, limit)), more: total - skip > limit };
}
