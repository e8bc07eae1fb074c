import {
  AsyncByteQueue,
  Field,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Schema,
  Struct,
} from "apache-arrow";
import { type ArrowColumn, arrowColumn } from "./arrow-column.js";
import type { ResultStream } from "./result-stream.js";

/** A record batch is cut when it reaches this many rows or bytes, whichever comes first. */
const BATCH_ROWS = 32_768;
const BATCH_BYTES = 8 * 1024 * 1024;

/** A sink of the Arrow writer that hands out its bytes at once instead of queueing them, so that the reader sets the pace. */
class CollectingSink extends AsyncByteQueue {
  private parts: Uint8Array[] = [];

  override write(value: ArrayBufferView | ArrayBufferLike): void {
    const bytes = ArrayBuffer.isView(value)
      ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
      : new Uint8Array(value);
    if (bytes.byteLength > 0) this.parts.push(bytes);
  }

  override close(): void {}

  take(): Uint8Array {
    const parts = this.parts;
    this.parts = [];
    return Buffer.concat(parts);
  }
}

function recordBatch(schema: Schema, columns: readonly ArrowColumn[], rowCount: number): RecordBatch {
  const children = columns.map((column) => column.finish());
  return new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: rowCount, nullCount: 0, children }),
  );
}

/** The two forms of Arrow IPC: a stream ends with a mark, a file with a footer that lists its batches. */
export type ArrowForm = "stream" | "file";

/**
 * A result as Arrow IPC (one schema, uncompressed record batches), batch by batch in either form.
 * Every column is nullable. Types: VARCHAR as Utf8, DATE as Date32, timestamps in their own unit ("UTC" when
 * they carry a zone), DECIMAL as Decimal128, numbers by width, lists as List. Other types are refused with
 * `duckdb/no-arrow-type`: cast them in the query. `onRows` hears of each batch's row count before its bytes.
 */
export async function* encodeArrow(
  result: ResultStream,
  form: ArrowForm = "stream",
  metadata: ReadonlyMap<string, string> = new Map(),
  onRows: (rowCount: number) => void = () => undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const columns = result.columns.map((column) => arrowColumn(column.name, column.type));
  const schema = new Schema(
    columns.map((column, index) => new Field(result.columns[index]!.name, column.type, true)),
    new Map(metadata),
  );
  const sink = new CollectingSink();
  const writer =
    form === "file" ? new RecordBatchFileWriter() : new RecordBatchStreamWriter({ autoDestroy: false });
  writer.reset(sink, schema);
  let rowCount = 0;
  for await (const chunk of result.chunks()) {
    columns.forEach((column, index) => {
      column.append(chunk.raw.getColumnVector(index), chunk.rowCount);
    });
    rowCount += chunk.rowCount;
    if (
      rowCount >= BATCH_ROWS ||
      columns.reduce((sum, column) => sum + column.sizeBytes(), 0) >= BATCH_BYTES
    ) {
      writer.write(recordBatch(schema, columns, rowCount));
      onRows(rowCount);
      rowCount = 0;
      yield sink.take();
    }
  }
  if (rowCount > 0) {
    writer.write(recordBatch(schema, columns, rowCount));
    onRows(rowCount);
  }
  writer.finish();
  yield sink.take();
}
