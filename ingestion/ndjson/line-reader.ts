import { isUtf8 } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { Rejection } from "../quarantine/reason.js";
import type { ByteSource } from "./byte-source.js";

const LF = 0x0a;
const CR = 0x0d;
const FIRST_BUFFER_BYTES = 1 << 20;
/** How much of an over-long line is kept for its quarantine record. */
export const KEPT_PREFIX_BYTES = 64 * 1024;

/** A piece of input longer than its limit; it was never held in memory as a whole. */
export interface OversizePiece {
  /** Offset in the unpacked input. */
  readonly offset: number;
  readonly length: number;
  readonly prefix: Buffer;
  readonly sha256: string;
}

/** How a {@link LineReader} reads. */
export interface LineReaderOptions {
  /** Longest line that is handed out whole. */
  readonly maxLineBytes: number;
  /** Offset in the input of the source's first byte; 0 by default. */
  readonly startOffset?: number;
  /** Size of the whole input where it may be one piece: the buffer then grows once instead of by and by. */
  readonly expectedBytes?: number;
  /** Used until a line outgrows it. */
  readonly buffer?: Buffer;
}

/** What {@link LineReader.next} found; `broken` is what an input ended with that broke off (perhaps nothing). */
export type LineEvent = "none" | "line" | "oversize" | "broken";

/**
 * Splits a byte source into lines within one buffer that is reused: `while (await fill()) while (next() !== "none") …`.
 * Lines end with LF or CR LF, the last one may lack it. A byte order mark at the start of the input is skipped.
 * The buffer grows to the longest line and never beyond the limit, whatever the input (gzip bombs included).
 */
export class LineReader {
  /** The buffer. `bytes[end]` is always a LF, also where the input has a CR or ends. */
  bytes: Buffer;
  /** The current line without its line end. */
  start = 0;
  end = 0;
  /** False when the current line is not UTF-8. */
  valid = true;
  /** The line that {@link next} called oversize. */
  oversize: OversizePiece | undefined = undefined;
  /** Why the input broke off. */
  failure: Rejection | undefined = undefined;
  /** Longest line that is handed out whole; it may be changed between lines. */
  maxLineBytes: number;
  private readonly source: ByteSource;
  private readonly expectedBytes: number;
  /** Offset in the input of `bytes[0]`. */
  private base: number;
  private filled = 0;
  /** Start of what was not handed out, and end of the lines that can be. */
  private from = 0;
  private complete = 0;
  private regionValid = true;
  private ended = false;
  private brokenTold = false;
  private skipped: OversizePiece | undefined = undefined;
  private markPossible: boolean;

  constructor(source: ByteSource, options: LineReaderOptions) {
    this.source = source;
    this.maxLineBytes = options.maxLineBytes;
    this.base = options.startOffset ?? 0;
    this.markPossible = this.base === 0;
    this.expectedBytes = options.expectedBytes ?? 0;
    this.bytes = options.buffer ?? lineBuffer();
  }

  /** Offset in the (unpacked) input of the first byte of the current line. */
  get offset(): number {
    return this.base + this.start;
  }

  /** Offset of the line that comes next. */
  get nextOffset(): number {
    return this.base + this.from;
  }

  /** Reads on until at least one more line is complete; false when all was handed out. */
  async fill(): Promise<boolean> {
    if (this.ended) return false;
    this.dropHandedOut();
    let searched = this.markPossible ? 0 : this.filled;
    for (;;) {
      if (this.isFull() && !this.grow(this.maxLineBytes)) {
        await this.skipLine();
        searched = 0;
      } else await this.pull();
      const lastLf = this.filled > searched ? this.bytes.lastIndexOf(LF, this.filled - 1) : -1;
      if (lastLf >= searched) this.complete = lastLf + 1;
      if (this.ended) this.complete = this.filled;
      if (this.ended || this.complete > 0 || this.skipped !== undefined) break;
      searched = this.markPossible ? 0 : this.filled;
    }
    this.bytes[this.filled] = LF;
    this.regionValid = isUtf8(this.bytes.subarray(this.from, this.complete));
    return true;
  }

  /** Steps to the next line in the buffer. */
  next(): LineEvent {
    if (this.skipped !== undefined) {
      this.oversize = this.skipped;
      this.skipped = undefined;
      return "oversize";
    }
    if (this.from >= this.complete) return this.lastEvent();
    const start = this.from;
    let end = this.bytes.indexOf(LF, start);
    this.from = end + 1;
    this.start = start;
    if (end === this.filled && this.failure !== undefined) {
      this.end = end;
      return this.lastEvent();
    }
    if (end > start && this.bytes[end - 1] === CR) this.bytes[--end] = LF;
    this.end = end;
    if (end - start > this.maxLineBytes) {
      this.oversize = measured(this.offset, this.bytes.subarray(start, end));
      return "oversize";
    }
    this.valid = this.regionValid || isUtf8(this.bytes.subarray(start, end));
    return "line";
  }

  /**
   * Takes the current line back and reads the whole rest of the input with it: afterwards `[start, end)` is the rest,
   * `bytes[end]` is a NUL and `valid` says whether it is UTF-8. Answers what {@link next} would: `line` for a document,
   * `oversize` when it is longer than `maxBytes`, `broken` when the input broke off.
   */
  async document(maxBytes: number): Promise<LineEvent> {
    this.from = this.start;
    this.dropHandedOut();
    this.start = 0;
    while (!this.ended) {
      if (this.isFull() && !this.grow(maxBytes)) return await this.skipDocument();
      await this.pull();
    }
    this.end = this.from = this.complete = this.filled;
    this.bytes[this.end] = 0;
    if (this.failure !== undefined) return this.lastEvent();
    if (this.end > maxBytes) {
      this.oversize = measured(this.offset, this.bytes.subarray(0, this.end));
      return "oversize";
    }
    this.valid = isUtf8(this.bytes.subarray(0, this.end));
    return "line";
  }

  private lastEvent(): LineEvent {
    if (this.failure === undefined || !this.ended || this.brokenTold) return "none";
    this.brokenTold = true;
    if (this.from === this.complete && this.end !== this.filled) this.start = this.end = this.filled;
    return "broken";
  }

  private dropHandedOut(): void {
    if (this.from > 0) {
      const count = Math.max(0, this.filled - this.from);
      this.bytes.copyWithin(0, this.from, this.from + count);
      this.base += Math.min(this.from, this.filled);
      this.filled = count;
    }
    this.from = 0;
    this.complete = 0;
  }

  /** One byte is always left for the sentinel. */
  private isFull(): boolean {
    return this.filled >= this.bytes.length - 1;
  }

  /** Makes the buffer longer; false when it already holds more than `limit` bytes can need. */
  private grow(limit: number): boolean {
    if (this.filled > limit + 1) return false;
    return this.reserve(Math.min(Math.max(this.bytes.length * 4, this.expectedBytes + 4), limit + 4));
  }

  /** Makes the buffer at least `size` long; false when it was already. */
  private reserve(size: number): boolean {
    if (size <= this.bytes.length) return false;
    const bytes = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(bytes, 0, 0, this.filled);
    this.bytes = bytes;
    return true;
  }

  /** One read into the free part of the buffer; sets `ended` at the end of the input or where it breaks off. */
  private async pull(): Promise<void> {
    try {
      const reading = this.source.read(this.bytes, this.filled, this.bytes.length - 1 - this.filled);
      const count = typeof reading === "number" ? reading : await reading;
      if (count === 0) this.ended = true;
      this.filled += count;
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      this.failure = error;
      this.ended = true;
    }
    if (this.markPossible && (this.filled >= 3 || this.ended)) this.skipMark();
  }

  private skipMark(): void {
    this.markPossible = false;
    const b = this.bytes;
    if (this.filled < 3 || b[0] !== 0xef || b[1] !== 0xbb || b[2] !== 0xbf) return;
    b.copyWithin(0, 3, this.filled);
    this.filled -= 3;
    this.base += 3;
  }

  /** The buffer is full of one line: measures it up to its end without keeping it. */
  private async skipLine(): Promise<void> {
    const piece = new PieceMeter(this.base);
    for (;;) {
      const lf = this.filled === 0 ? -1 : this.bytes.subarray(0, this.filled).indexOf(LF);
      const end = lf < 0 ? this.filled : lf;
      piece.add(this.bytes.subarray(0, end));
      this.from = lf < 0 ? end : end + 1;
      this.dropHandedOut();
      if (lf >= 0 || this.ended) break;
      await this.pull();
    }
    this.skipped = piece.done();
  }

  private async skipDocument(): Promise<LineEvent> {
    const piece = new PieceMeter(this.base);
    for (;;) {
      piece.add(this.bytes.subarray(0, this.filled));
      this.base += this.filled;
      this.filled = 0;
      if (this.ended) break;
      await this.pull();
    }
    this.start = this.end = this.from = this.complete = 0;
    this.oversize = piece.done();
    return "oversize";
  }
}

/** A buffer to start reading with; one can serve many inputs, one after the other. */
export function lineBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
}

/** Length, hash and first bytes of a piece that passes by. */
class PieceMeter {
  private readonly offset: number;
  private readonly hash: Hash = createHash("sha256");
  private length = 0;
  private prefix: Buffer = Buffer.alloc(0);

  constructor(offset: number) {
    this.offset = offset;
  }

  add(bytes: Buffer): void {
    if (this.length === 0) this.prefix = Buffer.from(bytes.subarray(0, KEPT_PREFIX_BYTES));
    this.hash.update(bytes);
    this.length += bytes.length;
  }

  done(): OversizePiece {
    return { offset: this.offset, length: this.length, prefix: this.prefix, sha256: this.hash.digest("hex") };
  }
}

function measured(offset: number, bytes: Buffer): OversizePiece {
  const meter = new PieceMeter(offset);
  meter.add(bytes);
  return meter.done();
}
