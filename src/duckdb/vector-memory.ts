/**
 * Bulk access to the memory of DuckDB vectors.
 *
 * The driver's public getters cost one native call and one JS string per value, which bounds every export to well under
 * a million rows a second. The vectors already hold flat arrays; this file is the only one that reads them directly.
 * It relies on fields that the driver does not document, so the driver's version is pinned exactly and the tests
 * compare every type read here with the values that the engine itself prints.
 */
import type { DuckDBVector } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import { LakeError } from "#kernel";

/** The undocumented fields that the driver's vector classes share. */
interface VectorFields {
  readonly dataView?: DataView;
  readonly items?: ArrayBufferView;
  readonly validity?: { readonly data: BigUint64Array | null; readonly offset: number };
  readonly entryData?: BigUint64Array;
}

/** Strings of up to this many bytes stand inside their 16-byte slot; longer ones are behind a pointer. */
const INLINE_BYTES = 12;
const TWO_POW_32 = 4_294_967_296;

function fields(vector: DuckDBVector): VectorFields {
  return vector as unknown as VectorFields;
}

function unreadable(): LakeError {
  return new LakeError(
    "internal",
    "duckdb/unknown-vector",
    "A result vector has a layout that this release does not know.",
  );
}

/** The fixed-width values of a vector as bytes, null slots included (their content is arbitrary). */
export function vectorBytes(vector: DuckDBVector): Uint8Array {
  const { dataView, items } = fields(vector);
  const view = dataView ?? items;
  if (view === undefined) throw unreadable();
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** One bit per row, least significant bit first, set when the row holds a value; undefined when every row does. */
export function validityBits(vector: DuckDBVector): Uint8Array | undefined {
  const { validity } = fields(vector);
  if (validity === undefined || validity.offset !== 0) throw unreadable();
  const { data } = validity;
  return data === null ? undefined : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** True when row `row` of a vector with these bits holds a value. */
export function isValid(bits: Uint8Array | undefined, row: number): boolean {
  return bits === undefined || (bits[row >> 3]! & (1 << (row & 7))) !== 0;
}

/** Start and length, alternating, of each row's items in the child vector of a list vector. */
export function listEntries(vector: DuckDBVector): BigUint64Array {
  const { entryData } = fields(vector);
  if (entryData === undefined) throw unreadable();
  return entryData;
}

/**
 * The UTF-8 bytes of a VARCHAR vector's values, value after value. `visit` gets them in row order of `rows`; the bytes
 * it gets are valid only during the call.
 *
 * Long strings that a query produced lie end to end in the vector's heap, so whole runs of neighbours are fetched
 * by one native call. A run only ever joins strings that touch exactly: every byte read belongs to some string of the vector.
 */
export class TextReader {
  private readonly buffer: ArrayBufferLike;
  private readonly base: number;
  private readonly bytes: Uint8Array;
  private readonly words: Uint32Array;
  private readonly bits: Uint8Array | undefined;

  constructor(vector: DuckDBVector) {
    this.bytes = vectorBytes(vector);
    this.buffer = this.bytes.buffer;
    this.base = this.bytes.byteOffset;
    this.words = new Uint32Array(this.buffer, this.base, this.bytes.byteLength / 4);
    this.bits = validityBits(vector);
  }

  /** Length in bytes of the value in `row`; 0 for null. */
  sizeBytes(row: number): number {
    return isValid(this.bits, row) ? this.words[row * 4]! : 0;
  }

  valid(row: number): boolean {
    return isValid(this.bits, row);
  }

  /** Writes the values of `count` rows end to end to `out` from `at`; returns the offset behind the last byte. */
  copy(rowAt: (index: number) => number, count: number, out: Uint8Array, at: number): number {
    let position = at;
    let run: Uint8Array = new Uint8Array(0);
    let runAt = 0;
    for (let index = 0; index < count; index++) {
      const row = rowAt(index);
      const size = this.sizeBytes(row);
      if (size === 0) continue;
      if (size <= INLINE_BYTES) {
        const start = row * 16 + 4;
        for (let k = 0; k < size; k++) out[position + k] = this.bytes[start + k]!;
      } else {
        if (runAt >= run.byteLength) {
          run = this.fetch(row, this.runBytes(rowAt, index, count));
          runAt = 0;
        }
        out.set(run.subarray(runAt, runAt + size), position);
        runAt += size;
      }
      position += size;
    }
    return position;
  }

  /** How many bytes the long strings from `index` on cover without a gap. */
  private runBytes(rowAt: (index: number) => number, index: number, count: number): number {
    const first = rowAt(index) * 4;
    let total = this.words[first]!;
    let low = this.words[first + 2]! + total;
    let high = this.words[first + 3]!;
    for (let next = index + 1; next < count; next++) {
      if (low >= TWO_POW_32) {
        low -= TWO_POW_32;
        high += 1;
      }
      const row = rowAt(next);
      const size = this.sizeBytes(row);
      if (size <= INLINE_BYTES) continue;
      const word = row * 4;
      if (this.words[word + 2] !== low || this.words[word + 3] !== high) break;
      total += size;
      low += size;
    }
    return total;
  }

  private fetch(row: number, sizeBytes: number): Uint8Array {
    return duckdb.get_data_from_pointer(this.buffer as ArrayBuffer, this.base + row * 16 + 8, sizeBytes);
  }
}
