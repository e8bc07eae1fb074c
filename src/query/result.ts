import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { type Database, encodeArrow, writeParquet } from "#duckdb";
import { csvHeader, csvRow, type EncodedColumn, jsonRow, textColumns, typedColumns } from "./encoding.js";
import type { ResultFormat } from "./format.js";

/** What may be set for one answer. */
export interface EncodeOptions {
  /** Aborting it stops the query and fails the body. */
  readonly signal?: AbortSignal;
  /** Facts about the answer that the typed formats carry inside: Parquet footer, Arrow schema metadata. */
  readonly metadata?: ReadonlyMap<string, string>;
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
  readonly parameters: readonly string[];
  readonly columns: readonly EncodedColumn[];
}

/**
 * Items are computed outside of the source, so that a sort in there moves the typed values and not their text, which
 * would take twice the memory.
 */
function select(statement: Statement, items: string): string {
  return `SELECT ${items} FROM (${statement.source}) AS _answer`;
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

  /** The rows in a format. Fails before the first byte where the query itself is refused by the engine. */
  async encode(format: ResultFormat, options: EncodeOptions): Promise<EncodedResult> {
    if (format === "parquet") return await this.parquet(options);
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
    const { columns } = this.statement;
    switch (format) {
      case "arrow":
        return this.arrow(options);
      case "csv":
        return this.lines(csvRow(columns), { head: csvHeader(columns), skip: 0, tail: "" }, options);
      case "ndjson":
        return this.lines(jsonRow(columns, "", "\n"), { head: "", skip: 0, tail: "" }, options);
      case "json":
        // Every row starts with a comma, and the first one loses it: rows need not know their place.
        return this.lines(jsonRow(columns, ",\n", ""), { head: "[", skip: 1, tail: "\n]\n" }, options);
    }
  }

  private async *lines(
    row: string,
    frame: { readonly head: string; readonly skip: number; readonly tail: string },
    options: EncodeOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const connection = await this.database.connect();
    try {
      const sql = select(this.statement, row);
      const stream = await connection.stream(sql, this.statement.parameters, { signal: options.signal });
      let { skip } = frame;
      if (frame.head !== "") yield Buffer.from(frame.head);
      for await (const chunk of stream.chunks()) {
        this.rows += chunk.rowCount;
        yield chunk.textBytes(0).subarray(skip);
        skip = 0;
      }
      if (frame.tail !== "") yield Buffer.from(frame.tail);
    } finally {
      connection.close();
    }
  }

  private async *arrow(options: EncodeOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const connection = await this.database.connect();
    try {
      const sql = select(this.statement, typedColumns(this.statement.columns));
      const stream = await connection.stream(sql, this.statement.parameters, { signal: options.signal });
      yield* encodeArrow(stream, options.metadata, (count) => {
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
