import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { type ArrowForm, type Database, encodeArrow, type Parameters, writeParquet } from "#duckdb";
import { LakeError } from "#kernel";
import { type EncodedColumn, textColumns, typedColumns } from "./encoding.js";
import type { ResultFormat } from "./format.js";
import {
  type FrameOptions,
  framed,
  type LineFormat,
  type LineOptions,
  type RowBytes,
  rowText,
} from "./line-format.js";
import { longestText, numberedRows, sheetRow } from "./xlsx/cells.js";
import { encodeWorkbook, MOST_CHARACTERS, MOST_COLUMNS, MOST_ROWS } from "./xlsx/workbook.js";

/** What may be set for one answer. */
export interface EncodeOptions extends LineOptions, FrameOptions {
  /** Aborting it stops the query and fails the body. */
  readonly signal?: AbortSignal;
  /** Facts about the answer that some formats carry inside: Parquet footer, Arrow schema metadata, a sheet of a workbook. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** XLSX: name of the sheet with the rows; `rows` when absent. */
  readonly sheet?: string;
}

/** An encoded answer. Call `close` when done with it, read or not, else its connection or its file stays. */
export interface EncodedResult {
  readonly format: ResultFormat;
  /** The bytes, computed while they are read, except Parquet, which is complete before the first byte. */
  readonly body: AsyncGenerator<Uint8Array, void, undefined>;
  /** Known beforehand for Parquet only. */
  readonly sizeBytes?: number;
  /** Rows encoded so far; all of them once the body has ended. */
  rowCount(): number;
  /** Stops and frees what the body still holds; does nothing the second time. */
  close(): Promise<void>;
}

/** A query with its parameters, whose columns are to be encoded. */
export interface Statement {
  /** A SELECT that yields the columns by name, in the order in which rows are to leave. */
  readonly source: string;
  readonly parameters: Parameters;
  readonly columns: readonly EncodedColumn[];
}

/**
 * Items are computed outside of the source, so that a sort in there moves the typed values and not their text, which
 * would take twice the memory.
 */
function select(statement: Pick<Statement, "source">, items: string): string {
  return `SELECT ${items} FROM (${statement.source}) AS _answer`;
}

/** Rows of a page in a text format that were encoded when they were read. */
export function frameRows(
  format: LineFormat,
  columns: readonly EncodedColumn[],
  rows: RowBytes,
  options: EncodeOptions,
): EncodedResult {
  let rowCount = 0;
  const body = framed(rows.rowCount > 0 ? [rows] : [], format, columns, options, (count) => {
    rowCount = count;
  });
  const close = async () => {
    await body.return();
  };
  return { format, body, rowCount: () => rowCount, close };
}

/** Encodes the rows of one statement over one database. */
export class ResultEncoder {
  private readonly database: Database;
  private readonly statement: Statement;
  private readonly temporaryFolder: string;
  private rows = 0;

  constructor(database: Database, statement: Statement, temporaryFolder: string) {
    this.database = database;
    this.statement = statement;
    this.temporaryFolder = temporaryFolder;
  }

  /**
   * The rows in a format. Fails before the first byte where the query itself is refused by the engine, and with `query/too-big-for-xlsx`
   * when a workbook cannot hold them.
   */
  async encode(format: ResultFormat, options: EncodeOptions): Promise<EncodedResult> {
    if (format === "parquet") return await this.parquet(options);
    if (format === "xlsx") await this.checkSheet(options);
    const body = this.streamed(format, options);
    const close = async () => {
      await body.return();
    };
    return { format, body, rowCount: () => this.rows, close };
  }

  /** The rows as text for people, all in memory. */
  async texts(options: EncodeOptions): Promise<(string | null)[][]> {
    const { columns, parameters } = this.statement;
    return await this.database.with(async (connection) => {
      const sql = select(this.statement, textColumns(columns));
      const stream = await connection.stream(sql, parameters, { signal: options.signal });
      const rows: (string | null)[][] = [];
      for await (const chunk of stream.chunks()) {
        const values = columns.map((_, index) => chunk.texts(index));
        for (let row = 0; row < chunk.rowCount; row++) rows.push(values.map((column) => column[row] ?? null));
      }
      return rows;
    });
  }

  private streamed(format: Exclude<ResultFormat, "parquet">, options: EncodeOptions): EncodedResult["body"] {
    const { columns, source } = this.statement;
    switch (format) {
      case "arrow":
        return this.arrow("file", options);
      case "arrows":
        return this.arrow("stream", options);
      case "xlsx":
        return this.workbook(options);
      default: {
        const rows = this.lines(rowText(format, columns, options), options, source);
        return framed(rows, format, columns, options, (count) => {
          this.rows = count;
        });
      }
    }
  }

  /** The rows of the source, each as the text that an expression makes of it. */
  private async *lines(
    text: string,
    options: EncodeOptions,
    source: string,
  ): AsyncGenerator<RowBytes, void, undefined> {
    const connection = await this.database.connect();
    try {
      const sql = select({ source }, text);
      const stream = await connection.stream(sql, this.statement.parameters, { signal: options.signal });
      for await (const chunk of stream.chunks()) {
        yield { rowCount: chunk.rowCount, bytes: chunk.textBytes(0) };
      }
    } finally {
      connection.close();
    }
  }

  private workbook(options: EncodeOptions): EncodedResult["body"] {
    const { columns } = this.statement;
    return encodeWorkbook({
      sheet: options.sheet ?? "rows",
      header: columns.map(({ name }) => name),
      rows: this.counted(this.lines(sheetRow(columns), options, numberedRows(this.statement.source))),
      about: () => [["rows", String(this.rows)], ...(options.metadata ?? [])],
    });
  }

  private async *counted(rows: AsyncIterable<RowBytes>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const { rowCount, bytes } of rows) {
      this.rows += rowCount;
      yield bytes;
    }
  }

  /** A workbook that leaves rows out, or cuts texts, would be taken for whole. */
  private async checkSheet(options: EncodeOptions): Promise<void> {
    const { columns, parameters } = this.statement;
    const items = `count(*) AS _rows, coalesce(max(${longestText(columns)}), 0) AS _longest`;
    const [row] = await this.database.with((connection) =>
      connection.rows<{ _rows: string; _longest: string }>(select(this.statement, items), parameters, {
        signal: options.signal,
      }),
    );
    const [rows, longest] = [Number(row!._rows), Number(row!._longest)];
    if (rows <= MOST_ROWS && longest <= MOST_CHARACTERS && columns.length <= MOST_COLUMNS) return;
    const found =
      rows > MOST_ROWS
        ? `${MOST_ROWS} rows below its header, and there are ${rows}`
        : longest > MOST_CHARACTERS
          ? `${MOST_CHARACTERS} characters in a cell, and there is a text of ${longest}`
          : `${MOST_COLUMNS} columns, and there are ${columns.length}`;
    throw new LakeError(
      "invalid-input",
      "query/too-big-for-xlsx",
      `A workbook holds at most ${found}; filter, select fewer columns, set a limit, or ask for csv or parquet.`,
      { details: { rows, longest, columns: columns.length } },
    );
  }

  private async *arrow(form: ArrowForm, options: EncodeOptions): EncodedResult["body"] {
    const connection = await this.database.connect();
    try {
      const sql = select(this.statement, typedColumns(this.statement.columns));
      const stream = await connection.stream(sql, this.statement.parameters, { signal: options.signal });
      yield* encodeArrow(stream, form, options.metadata, (count) => {
        this.rows += count;
      });
    } finally {
      connection.close();
    }
  }

  private async parquet(options: EncodeOptions): Promise<EncodedResult> {
    await mkdir(this.temporaryFolder, { recursive: true });
    const file = path.join(this.temporaryFolder, `${randomUUID()}.parquet`);
    try {
      this.rows = await this.database.with((connection) =>
        writeParquet(connection, {
          select: select(this.statement, typedColumns(this.statement.columns)),
          parameters: this.statement.parameters,
          path: file,
          metadata: options.metadata ?? new Map(),
          signal: options.signal,
        }),
      );
      const { size } = await stat(file);
      const body = fileBody(file);
      const close = async () => {
        await body.return();
        await rm(file, { force: true });
      };
      return { format: "parquet", body, sizeBytes: size, rowCount: () => this.rows, close };
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
  }
}

/** The bytes of a temporary file, which is deleted when they have been read or are no longer wanted. */
async function* fileBody(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const part of createReadStream(file, { highWaterMark: 256 * 1024 })) yield part as Buffer;
  } finally {
    await rm(file, { force: true });
  }
}
