import type { Database, RunOptions } from "#duckdb";
import {
  counted,
  NUMBER,
  numbered,
  type PageExtent,
  type PageSource,
  type PlaceRow,
  placeOf,
  placeTexts,
  SLACK,
} from "./page-source.js";

/** Pages of no more rows than this, of no more bytes each than that, are small enough to be held in memory. */
const MOST_ROWS = 1_000;
const MOST_BYTES = 16_384;

/**
 * The rows of a short page as texts, read and encoded by one statement: of a page of a hundred rows most of the cost is planning
 * statements, and a table of its own takes three more.
 */
export interface EncodedPage {
  readonly extent: PageExtent;
  /** One for each row, in their order. */
  readonly texts: readonly string[];
}

type EncodedRow = PlaceRow & { readonly text: string | null };

/**
 * Reads a short page, whose rows become texts by `text`, an expression over the answer's columns that is never NULL. Undefined for a page
 * that is not short, or whose last resource has very many rows: it needs a table.
 */
export async function readEncoded(
  database: Database,
  source: PageSource,
  text: string,
  options: RunOptions,
): Promise<EncodedPage | undefined> {
  const { sort, skip, limit } = source;
  if (skip + limit > MOST_ROWS) return undefined;
  const { sql, parameters, most } = await numbered(source, SLACK);
  const encoded = `SELECT ${text} AS text, ${placeTexts(sort)}, ${NUMBER} FROM (${sql}) AS _answer WHERE ${NUMBER} > ${skip}`;
  const found = await database.with((connection) =>
    connection.rows<EncodedRow>(
      `SELECT * REPLACE (CASE WHEN strlen(text) <= ${MOST_BYTES} THEN text END AS text) FROM (${encoded}) ORDER BY ${NUMBER}`,
      [...parameters],
      options,
    ),
  );
  const counts = counted(source, skip + found.length);
  const { rowCount, more } = counts;
  const texts = found.slice(0, rowCount).flatMap((row) => row.text ?? []);
  if (texts.length < rowCount) return undefined;
  if (!more || rowCount === 0) return { texts, extent: { ...counts, last: undefined } };
  const [last, beyond] = [found[rowCount - 1]!, found.at(-1)!];
  const place = placeOf(source, { rowCount, cut: skip + found.length === most, last, beyond });
  return place && { texts, extent: { ...counts, last: place } };
}
