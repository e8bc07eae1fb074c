import { createHash } from "node:crypto";
import { type DelimitedStyle, delimitedHeader, delimitedRow } from "./delimited.js";
import { type EncodedColumn, jsonRow } from "./encoding.js";
import type { ResultFormat } from "./format.js";
import { markdownHeader, markdownRow } from "./markdown.js";

/** How rows of the text formats are written. */
export interface LineOptions {
  /** CSV and TSV: what stands for NULL; nothing when absent. */
  readonly nullText?: string;
  /** CSV and TSV for spreadsheet programs; see {@link DelimitedStyle}. */
  readonly spreadsheet?: boolean;
  /** JSON and NDJSON: 64-bit integers and decimals as strings. */
  readonly numbersAsText?: boolean;
}

/** What a text format says beside the rows. */
export interface FrameOptions {
  /** JSON: the rows as the member `rows` of an object, with their number `rowCount` and these. */
  readonly envelope?: Readonly<Record<string, unknown>>;
  /** NDJSON: a last line `{"_trailer": …}` with `rows`, `sha256` of all bytes before it, and these. */
  readonly trailer?: Readonly<Record<string, unknown>>;
}

/** The formats in which an answer is the texts of its rows, end to end. */
export type LineFormat = Extract<ResultFormat, "json" | "ndjson" | "csv" | "tsv" | "md">;

/** True for the formats of lines. */
export function isLineFormat(format: ResultFormat): format is LineFormat {
  return ["json", "ndjson", "csv", "tsv", "md"].includes(format);
}

function styleOf(format: "csv" | "tsv", { nullText, spreadsheet }: LineOptions): DelimitedStyle {
  return { delimiter: format === "csv" ? "," : "\t", nullText, spreadsheet };
}

/** An expression over the columns that yields the text of a row; never NULL. */
export function rowText(format: LineFormat, columns: readonly EncodedColumn[], options: LineOptions): string {
  const numbers = options.numbersAsText === true ? "text" : "exact";
  switch (format) {
    case "csv":
    case "tsv":
      return delimitedRow(columns, styleOf(format, options));
    case "md":
      return markdownRow(columns);
    case "ndjson":
      return jsonRow(columns, "", "\n", numbers);
    case "json":
      // Every row starts with a comma, and the first one loses it: rows need not know their place.
      return jsonRow(columns, ",\n", "", numbers);
  }
}

/** What stands around the rows of a text format. */
interface Frame {
  readonly head?: string;
  /** Bytes that the first row loses. */
  readonly skip?: number;
  readonly tail?: (rowCount: number) => string;
}

function frameOf(
  format: LineFormat,
  columns: readonly EncodedColumn[],
  { envelope, ...options }: LineOptions & FrameOptions,
): Frame {
  switch (format) {
    case "csv":
    case "tsv":
      return { head: delimitedHeader(columns, styleOf(format, options)) };
    case "md":
      return { head: markdownHeader(columns) };
    case "ndjson":
      return {};
    case "json":
      if (envelope === undefined) return { skip: 1, head: "[", tail: () => "\n]\n" };
      return {
        skip: 1,
        head: '{"rows":[',
        tail: (rowCount) => `\n],\n${JSON.stringify({ rowCount, ...envelope }).slice(1)}\n`,
      };
  }
}

/** The bytes of some rows. */
export interface RowBytes {
  readonly rowCount: number;
  readonly bytes: Uint8Array;
}

/** The bytes of an answer around those of its rows, which {@link rowText} has made texts; calls `onRows` with the number of rows so far. */
export async function* framed(
  rows: AsyncIterable<RowBytes> | Iterable<RowBytes>,
  format: LineFormat,
  columns: readonly EncodedColumn[],
  options: LineOptions & FrameOptions,
  onRows: (rowCount: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, skip = 0, tail } = frameOf(format, columns, options);
  const trailer = format === "ndjson" ? options.trailer : undefined;
  const hash = trailer && createHash("sha256");
  let rowCount = 0;
  if (head !== undefined) yield Buffer.from(head);
  for await (const part of rows) {
    const bytes = rowCount === 0 ? part.bytes.subarray(skip) : part.bytes;
    rowCount += part.rowCount;
    onRows(rowCount);
    hash?.update(bytes);
    yield bytes;
  }
  if (tail !== undefined) yield Buffer.from(tail(rowCount));
  if (hash !== undefined) {
    const line = JSON.stringify({ _trailer: { rows: rowCount, sha256: hash.digest("hex"), ...trailer } });
    yield Buffer.from(`${line}\n`);
  }
}
