import type { Database, ResultChunk, RunOptions } from "#duckdb";
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
  /** The texts of its rows, in their order, end to end. */
  readonly bytes: Uint8Array;
}

/** The place of a row of a chunk, whose columns are the row's text and then those of {@link placeTexts}. */
function placeIn(chunk: ResultChunk, row: number, places: number): PlaceRow {
  const place: Record<string, string | null> = {};
  for (let i = 0; i < places; i++) place[`place${i}`] = chunk.text(2 + i, row);
  return { rank: chunk.text(1, row)!, ...place };
}

/**
 * Reads a short page, whose rows become texts by `text`, an expression over the answer's columns that is never NULL. Undefined for a page
 * that is not short, that has a row too long to be held, or whose last resource has very many rows: it needs a table.
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
  // No text where the row follows the page, and none where it is too long to be held.
  const encoded = `SELECT CASE WHEN ${NUMBER} <= ${skip + limit} THEN ${text} END AS text, ${placeTexts(sort)}, ${NUMBER} FROM (${sql}) AS _answer WHERE ${NUMBER} > ${skip}`;
  const statement = `SELECT CASE WHEN strlen(text) <= ${MOST_BYTES} THEN text END, * EXCLUDE (text, ${NUMBER}) FROM (${encoded}) ORDER BY ${NUMBER}`;
  return await database.with(async (connection) => {
    const stream = await connection.stream(statement, parameters, options);
    const parts: Uint8Array[] = [];
    let [found, texts] = [0, 0];
    let last: PlaceRow | undefined;
    let beyond: PlaceRow | undefined;
    for await (const chunk of stream.chunks()) {
      parts.push(chunk.textBytes(0));
      texts += chunk.valueCount(0);
      const at = limit - 1 - found;
      if (at >= 0 && at < chunk.rowCount) last = placeIn(chunk, at, sort.length + 1);
      beyond = placeIn(chunk, chunk.rowCount - 1, sort.length + 1);
      found += chunk.rowCount;
    }
    const counts = counted(source, skip + found);
    const { rowCount, more } = counts;
    if (texts < rowCount) return undefined;
    const bytes = Buffer.concat(parts);
    if (!more || last === undefined) return { bytes, extent: { ...counts, last: undefined } };
    const place = placeOf(source, { rowCount, cut: skip + found === most, last, beyond: beyond! });
    return place && { bytes, extent: { ...counts, last: place } };
  });
}
