import type { DuckDBListVector, DuckDBVector } from "@duckdb/node-api";
import {
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  makeData,
  Timestamp,
  TimeUnit,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from "apache-arrow";
import { LakeError } from "#kernel";
import { ByteBuffer, ValidityBuffer } from "./column-buffer.js";
import type { ColumnType } from "./column-type.js";
import { isValid, listEntries, TextReader, validityBits, vectorBytes } from "./vector-memory.js";

/** Rows of a vector to take, in order; undefined means all of its first `count`. */
type Rows = Uint32Array | undefined;

/** Gathers the values of one result column until they are handed out as Arrow data. */
export interface ArrowColumn {
  readonly type: DataType;
  /** Takes `count` rows over from a result vector; nothing refers to the vector afterwards. */
  append(vector: DuckDBVector, count: number, rows?: Rows): void;
  /** Bytes gathered so far, roughly. */
  sizeBytes(): number;
  /** The rows gathered since the last call. */
  finish(): Data;
}

/** Values of a fixed width that DuckDB and Arrow store alike. Null slots are zeroed: engine memory must not leak out. */
class FixedColumn implements ArrowColumn {
  readonly type: DataType;
  private readonly width: number;
  private readonly view: (bytes: Uint8Array) => ArrayBufferView;
  private readonly values = new ByteBuffer();
  private readonly validity = new ValidityBuffer();

  constructor(type: DataType, width: number, view: (bytes: Uint8Array) => ArrayBufferView) {
    this.type = type;
    this.width = width;
    this.view = view;
  }

  append(vector: DuckDBVector, count: number, rows?: Rows): void {
    const source = vectorBytes(vector);
    const bits = validityBits(vector);
    const { width } = this;
    const start = this.values.grow(count * width);
    const target = this.values.bytes;
    if (rows === undefined) target.set(source.subarray(0, count * width), start);
    for (let index = 0; index < count; index++) {
      const row = rows === undefined ? index : rows[index]!;
      const at = start + index * width;
      if (!isValid(bits, row)) target.fill(0, at, at + width);
      else if (rows !== undefined) target.set(source.subarray(row * width, (row + 1) * width), at);
    }
    this.validity.append(bits, count, rows);
  }

  sizeBytes(): number {
    return this.values.length;
  }

  finish(): Data {
    const { length, nullCount, nullBitmap } = this.validity.take();
    const data = this.view(this.values.take());
    return makeData({ type: this.type, length, nullCount, nullBitmap, data } as Parameters<
      typeof makeData
    >[0]);
  }
}

/** DuckDB stores a boolean per byte, Arrow per bit. */
class BooleanColumn implements ArrowColumn {
  readonly type = new Bool();
  private readonly values = new ValidityBuffer();
  private readonly validity = new ValidityBuffer();

  append(vector: DuckDBVector, count: number, rows?: Rows): void {
    const source = vectorBytes(vector);
    const bits = validityBits(vector);
    for (let index = 0; index < count; index++) {
      const row = rows === undefined ? index : rows[index]!;
      this.values.push(isValid(bits, row) && source[row] === 1);
    }
    this.validity.append(bits, count, rows);
  }

  sizeBytes(): number {
    return this.values.sizeBytes() * 2;
  }

  finish(): Data<Bool> {
    const { length, nullCount, nullBitmap } = this.validity.take();
    return makeData({ type: this.type, length, nullCount, nullBitmap, data: this.values.take().bits });
  }
}

/** DuckDB stores a decimal in 2, 4, 8 or 16 bytes by its width, Arrow always in 16: the sign is extended. */
class DecimalColumn implements ArrowColumn {
  readonly type: Decimal;
  private readonly width: 2 | 4 | 8 | 16;
  private readonly values = new ByteBuffer();
  private readonly validity = new ValidityBuffer();

  constructor(precision: number, scale: number, width: 2 | 4 | 8 | 16) {
    this.type = new Decimal(scale, precision, 128);
    this.width = width;
  }

  append(vector: DuckDBVector, count: number, rows?: Rows): void {
    const source = vectorBytes(vector);
    const bits = validityBits(vector);
    const { width } = this;
    const start = this.values.grow(count * 16);
    const target = this.values.bytes;
    for (let index = 0; index < count; index++) {
      const row = rows === undefined ? index : rows[index]!;
      const at = start + index * 16;
      if (!isValid(bits, row)) {
        target.fill(0, at, at + 16);
        continue;
      }
      const from = row * width;
      for (let k = 0; k < width; k++) target[at + k] = source[from + k]!;
      target.fill(source[from + width - 1]! >= 0x80 ? 0xff : 0, at + width, at + 16);
    }
    this.validity.append(bits, count, rows);
  }

  sizeBytes(): number {
    return this.values.length;
  }

  finish(): Data<Decimal> {
    const { length, nullCount, nullBitmap } = this.validity.take();
    const bytes = this.values.take();
    const data = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    return makeData({ type: this.type, length, nullCount, nullBitmap, data });
  }
}

class TextColumn implements ArrowColumn {
  readonly type = new Utf8();
  private readonly values = new ByteBuffer();
  private readonly ends = new ByteBuffer();
  private readonly validity = new ValidityBuffer();

  append(vector: DuckDBVector, count: number, rows?: Rows): void {
    const reader = new TextReader(vector);
    const rowAt = rows === undefined ? (index: number) => index : (index: number) => rows[index]!;
    const endsAt = this.ends.grow(count * 4);
    const ends = new Int32Array(this.ends.bytes.buffer, endsAt, count);
    let end = this.values.length;
    for (let index = 0; index < count; index++) {
      end += reader.sizeBytes(rowAt(index));
      ends[index] = end;
    }
    const start = this.values.grow(end - this.values.length);
    reader.copy(rowAt, count, this.values.bytes, start);
    this.validity.append(validityBits(vector), count, rows);
  }

  sizeBytes(): number {
    return this.values.length + this.ends.length;
  }

  finish(): Data<Utf8> {
    const { length, nullCount, nullBitmap } = this.validity.take();
    const data = this.values.take();
    return makeData({
      type: this.type,
      length,
      nullCount,
      nullBitmap,
      valueOffsets: offsets(this.ends),
      data,
    });
  }
}

class ListColumn implements ArrowColumn {
  readonly type: List;
  private readonly item: ArrowColumn;
  private readonly ends = new ByteBuffer();
  private readonly validity = new ValidityBuffer();
  private itemCount = 0;

  constructor(item: ArrowColumn) {
    this.item = item;
    this.type = new List(new Field("item", item.type, true));
  }

  append(vector: DuckDBVector, count: number, rows?: Rows): void {
    const entries = listEntries(vector);
    const bits = validityBits(vector);
    const taken: number[] = [];
    const endsAt = this.ends.grow(count * 4);
    const ends = new Int32Array(this.ends.bytes.buffer, endsAt, count);
    for (let index = 0; index < count; index++) {
      const row = rows === undefined ? index : rows[index]!;
      if (isValid(bits, row)) {
        const start = Number(entries[row * 2]!);
        const length = Number(entries[row * 2 + 1]!);
        for (let k = 0; k < length; k++) taken.push(start + k);
      }
      ends[index] = this.itemCount + taken.length;
    }
    this.itemCount += taken.length;
    const { childVector } = vector as DuckDBListVector;
    if (taken.length > 0) this.item.append(childVector, taken.length, Uint32Array.from(taken));
    this.validity.append(bits, count, rows);
  }

  sizeBytes(): number {
    return this.ends.length + this.item.sizeBytes();
  }

  finish(): Data<List> {
    const { length, nullCount, nullBitmap } = this.validity.take();
    this.itemCount = 0;
    const child = this.item.finish();
    return makeData({
      type: this.type,
      length,
      nullCount,
      nullBitmap,
      valueOffsets: offsets(this.ends),
      child,
    });
  }
}

/** Arrow's offsets: a zero and then the end of each value. */
function offsets(ends: ByteBuffer): Int32Array {
  const bytes = ends.take();
  const all = new Int32Array(bytes.byteLength / 4 + 1);
  all.set(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4), 1);
  return all;
}

const timeUnits = {
  s: TimeUnit.SECOND,
  ms: TimeUnit.MILLISECOND,
  us: TimeUnit.MICROSECOND,
  ns: TimeUnit.NANOSECOND,
} as const;

type TypedArray = { new (buffer: ArrayBufferLike, byteOffset: number, length: number): ArrayBufferView };

function fixed(type: DataType, width: number, array: TypedArray): ArrowColumn {
  return new FixedColumn(
    type,
    width,
    (bytes) => new array(bytes.buffer, bytes.byteOffset, bytes.byteLength / width),
  );
}

function integerColumn(bits: number, signed: boolean): ArrowColumn {
  switch (bits) {
    case 8:
      return signed ? fixed(new Int8(), 1, Int8Array) : fixed(new Uint8(), 1, Uint8Array);
    case 16:
      return signed ? fixed(new Int16(), 2, Int16Array) : fixed(new Uint16(), 2, Uint16Array);
    case 32:
      return signed ? fixed(new Int32(), 4, Int32Array) : fixed(new Uint32(), 4, Uint32Array);
    default:
      return signed ? fixed(new Int64(), 8, BigInt64Array) : fixed(new Uint64(), 8, BigUint64Array);
  }
}

function decimalWidth(precision: number): 2 | 4 | 8 | 16 {
  if (precision <= 4) return 2;
  if (precision <= 9) return 4;
  return precision <= 18 ? 8 : 16;
}

/** A gatherer for one column. Fails with `duckdb/no-arrow-type` for a type that has no exact Arrow form here. */
export function arrowColumn(name: string, type: ColumnType): ArrowColumn {
  switch (type.kind) {
    case "text":
      return new TextColumn();
    case "boolean":
      return new BooleanColumn();
    case "double":
      return fixed(new Float64(), 8, Float64Array);
    case "float":
      return fixed(new Float32(), 4, Float32Array);
    case "date":
      return fixed(new DateDay(), 4, Int32Array);
    case "timestamp":
      return fixed(new Timestamp(timeUnits[type.unit], type.zone ? "UTC" : null), 8, BigInt64Array);
    case "decimal":
      return new DecimalColumn(type.width, type.scale, decimalWidth(type.width));
    case "integer":
      if (type.bits < 128) return integerColumn(type.bits, type.signed);
      break;
    case "list":
      return new ListColumn(arrowColumn(name, type.item));
    default:
      break;
  }
  throw new LakeError(
    "unsupported",
    "duckdb/no-arrow-type",
    `Column '${name}' has a type that Arrow cannot carry exactly; cast it to VARCHAR.`,
    {
      details: { column: name, type: type.kind === "other" ? type.name : type.kind },
    },
  );
}
