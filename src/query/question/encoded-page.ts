import type { Database, ResultChunk, RunOptions } from "#duckdb";
import {
  counted,
  type PageExtent,
  type PageRows,
  type PageSource,
  placeTexts,
  rowOrder,
  SLACK,
} from "./page-source.js";
import type { SortColumn } from "./position.js";

/** Pages of no more rows than this, of no more bytes each than that, are small enough to be held in memory. */
const MOST_ROWS = 1_000;
const MOST_BYTES = 16_384;

/** Name of a column that no answer may have. */
const TEXT = "_lake_text";

/**
 * The rows of a short page as texts, read and encoded by one statement: of a page of a hundred rows most of the cost is planning
 * statements, and a table of its own takes three more. Numbering them would double what is planned of it: they are counted here.
 */
export interface EncodedPage {
  readonly extent: PageExtent;
  /** The texts of its rows, in their order, end to end. */
  readonly bytes: Uint8Array;
}

const FLOATS: ReadonlySet<string> = new Set(["float", "double"]);

/** A row's values of {@link placeTexts}. */
type Place = readonly (string | null)[];

/** The places of a chunk's rows, whose columns are the row's text and then those of {@link placeTexts}. */
function placesIn(chunk: ResultChunk, width: number): Place[] {
  const columns = Array.from({ length: width }, (_, i) => chunk.texts(1 + i));
  return Array.from({ length: chunk.rowCount }, (_, row) => columns.map((column) => column[row] ?? null));
}

/** True when the engine sorts both alike. Zero has two texts, the only value that has. */
function isAlike(sort: readonly SortColumn[], one: Place, other: Place): boolean {
  const number = (text: string | null): number | null => (text === null ? null : Number(text));
  return one.every((text, i) => {
    const beside = other[i] ?? null;
    const isFloat = FLOATS.has(sort[i]?.column.type.kind ?? "text");
    return text === beside || (isFloat && number(text) === number(beside));
  });
}

/** How far a page reaches whose source gave `places`; undefined when these may end within its last place. */
function extentOf(source: PageSource, places: readonly Place[], areAll: boolean): PageExtent | undefined {
  const { sort, skip } = source;
  const counts = counted(source, places.length);
  const end = skip + counts.rowCount;
  const last = places[end - 1];
  if (!counts.more || counts.rowCount === 0 || last === undefined) return { ...counts, last: undefined };
  if (!areAll && isAlike(sort, last, places.at(-1)!)) return undefined;
  let first = end - 1;
  while (first > 0 && isAlike(sort, last, places[first - 1]!)) first--;
  return { ...counts, last: { values: last.slice(0, -1), key: last.at(-1)!, skip: end - first } };
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
  const { skip, limit } = source;
  if (skip + limit > MOST_ROWS) return undefined;
  const most = skip + limit + SLACK;
  for (const mayGuess of [true, false]) {
    const rows = await source.select(most, { isShort: true, mayGuess });
    const { places, bytes, texts } = await encoded(database, source, rows, text, options);
    if (rows.guessed && places.length < most) continue;
    // Rows in the order of the answer are the first ones of it, wherever they end.
    const extent = extentOf(source, places, rows.sorted || places.length < most);
    return extent === undefined || texts < extent.rowCount ? undefined : { bytes, extent };
  }
  return undefined;
}

interface EncodedRows {
  /** Of all rows that were read. */
  readonly places: readonly Place[];
  /** The texts of the page's rows. */
  readonly bytes: Uint8Array;
  /** How many of these rows have one. */
  readonly texts: number;
}

async function encoded(
  database: Database,
  source: PageSource,
  { sql, parameters, sorted }: PageRows,
  text: string,
  options: RunOptions,
): Promise<EncodedRows> {
  const { sort, skip, limit } = source;
  // No text where it is too long to be held.
  const held = `CASE WHEN strlen(${TEXT}) <= ${MOST_BYTES} THEN ${TEXT} END`;
  const rows = `SELECT ${held}, ${placeTexts(source)} FROM (SELECT *, ${text} AS ${TEXT} FROM (${sql}) AS _answer)`;
  // So few sorted rows are one chunk, which the engine passes on as it is.
  const statement = sorted ? rows : `${rows} ORDER BY ${rowOrder(source)}`;
  return await database.with(async (connection) => {
    const stream = await connection.stream(statement, parameters, options);
    const parts: Uint8Array[] = [];
    const places: Place[] = [];
    let texts = 0;
    for await (const chunk of stream.chunks()) {
      const within = { from: skip - places.length, to: skip + limit - places.length };
      parts.push(chunk.textBytes(0, within));
      texts += chunk.valueCount(0, within);
      places.push(...placesIn(chunk, sort.length + 1));
    }
    return { places, bytes: Buffer.concat(parts), texts };
  });
}
