import {
  type DuckDBDataChunk,
  DuckDBListType,
  type DuckDBResult,
  type DuckDBType,
  StatementType,
} from "@duckdb/node-api";
import { LakeError } from "#kernel";
import { type ColumnType, parseColumnType } from "./column-type.js";
import { mapDuckDbError } from "./errors.js";
import { isValid, TextReader, validityBits } from "./vector-memory.js";

/** Name and type of one column of a result, in result order. */
export interface ResultColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** The type of a result column; an alias (JSON is stored as text) counts by its own name. */
function columnType(type: DuckDBType): ColumnType {
  if (type.alias !== undefined && type.alias !== "") return { kind: "other", name: type.alias };
  if (type instanceof DuckDBListType) return { kind: "list", item: columnType(type.valueType) };
  return parseColumnType(type.toString());
}

/** Rows of a chunk, by their numbers from 0: `from` included, `to` not. What lies outside of the chunk counts for nothing; all rows when absent. */
export interface RowRange {
  readonly from?: number;
  readonly to?: number;
}

/** Some rows of a result, as DuckDB produced them (up to 2,048). Valid until the next chunk is asked for. */
export class ResultChunk {
  readonly rowCount: number;
  /** The driver's own chunk, for code inside this module only. */
  readonly raw: DuckDBDataChunk;

  constructor(raw: DuckDBDataChunk) {
    this.raw = raw;
    this.rowCount = raw.rowCount;
  }

  /** The values of a VARCHAR column, null for NULL. */
  texts(column: number): (string | null)[] {
    return this.raw.getColumnValues(column) as (string | null)[];
  }

  /** How many values of a column are not NULL. */
  valueCount(column: number, rows: RowRange = {}): number {
    const bits = validityBits(this.raw.getColumnVector(column));
    const [first, end] = this.within(rows);
    let count = 0;
    for (let row = first; row < end; row++) if (isValid(bits, row)) count++;
    return count;
  }

  /** The UTF-8 bytes of the values of a VARCHAR column, end to end without separator; NULL adds nothing. */
  textBytes(column: number, rows: RowRange = {}): Uint8Array {
    const reader = new TextReader(this.raw.getColumnVector(column));
    const [first, end] = this.within(rows);
    let sizeBytes = 0;
    for (let row = first; row < end; row++) sizeBytes += reader.sizeBytes(row);
    const bytes = new Uint8Array(sizeBytes);
    reader.copy((index) => first + index, end - first, bytes, 0);
    return bytes;
  }

  private within({ from = 0, to = this.rowCount }: RowRange): [first: number, end: number] {
    const first = Math.min(Math.max(from, 0), this.rowCount);
    return [first, Math.max(first, Math.min(to, this.rowCount))];
  }
}

/**
 * A result that is computed while it is read: nothing runs ahead of the reader by more than the engine's small buffer,
 * so a slow reader holds the query back instead of filling memory. Read it once, on a connection that runs nothing else.
 */
export class ResultStream {
  readonly columns: readonly ResultColumn[];
  private readonly result: DuckDBResult;
  private readonly signal: AbortSignal | undefined;
  private readonly streaming: boolean;

  constructor(result: DuckDBResult, signal: AbortSignal | undefined) {
    this.result = result;
    this.signal = signal;
    this.streaming = result.isStreaming;
    const types = result.columnTypes();
    this.columns = result.columnNames().map((name, index) => ({ name, type: columnType(types[index]!) }));
  }

  /**
   * The rows, chunk by chunk; ends after the last. Fails with `duckdb/stream-failed` when
   * the query fails part way, with `duckdb/interrupted` when the signal aborts.
   */
  async *chunks(): AsyncGenerator<ResultChunk, void, undefined> {
    for (;;) {
      throwIfCancelled(this.signal);
      let raw: DuckDBDataChunk | null;
      try {
        raw = await this.result.fetchChunk();
      } catch (error) {
        throw mapDuckDbError(error);
      }
      throwIfCancelled(this.signal);
      if (raw === null || raw.rowCount === 0) {
        this.checkEnd();
        return;
      }
      yield new ResultChunk(raw);
    }
  }

  /**
   * The driver reports a query that failed part way just like one that has ended: by an empty chunk. Its error is lost,
   * but a result that holds one no longer knows its statement's type and no longer counts as streaming.
   */
  private checkEnd(): void {
    const failed =
      this.result.statementType === StatementType.INVALID || (this.streaming && !this.result.isStreaming);
    if (failed) {
      throw new LakeError("internal", "duckdb/stream-failed", "The engine failed part way through a result.");
    }
  }
}

/** Throws `duckdb/interrupted` once the signal has aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) {
    throw new LakeError("unavailable", "duckdb/interrupted", "The query was cancelled.");
  }
}
