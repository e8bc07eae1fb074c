import { isValid } from "./vector-memory.js";

/** Bytes that grow at the end. Capacity doubles, and starts anew after each `take`. */
export class ByteBuffer {
  bytes = new Uint8Array(4096);
  length = 0;

  /** Makes room for `sizeBytes` more and returns where they start; `bytes` may be another array afterwards. */
  grow(sizeBytes: number): number {
    const start = this.length;
    this.length += sizeBytes;
    if (this.length > this.bytes.byteLength) {
      const bigger = new Uint8Array(Math.max(this.length, this.bytes.byteLength * 2));
      bigger.set(this.bytes.subarray(0, start));
      this.bytes = bigger;
    }
    return start;
  }

  /** The bytes gathered; the buffer is empty afterwards and never touches them again. */
  take(): Uint8Array {
    const taken = this.bytes.subarray(0, this.length);
    this.bytes = new Uint8Array(Math.max(4096, this.length));
    this.length = 0;
    return taken;
  }
}

/** One bit per row, least significant first. */
export class ValidityBuffer {
  private bits = new Uint8Array(1024);
  private length = 0;
  private setCount = 0;

  push(set: boolean): void {
    if (this.length >> 3 >= this.bits.byteLength) {
      const bigger = new Uint8Array(this.bits.byteLength * 2);
      bigger.set(this.bits);
      this.bits = bigger;
    }
    if (set) {
      this.bits[this.length >> 3]! |= 1 << (this.length & 7);
      this.setCount += 1;
    }
    this.length += 1;
  }

  /** Takes the bits of `count` rows over; undefined `bits` means that all are set. */
  append(bits: Uint8Array | undefined, count: number, rows: Uint32Array | undefined): void {
    for (let index = 0; index < count; index++)
      this.push(isValid(bits, rows === undefined ? index : rows[index]!));
  }

  sizeBytes(): number {
    return this.length >> 3;
  }

  /** The bits gathered, and their number; `nullBitmap` is null when every bit is set. Empty afterwards. */
  take(): { length: number; nullCount: number; nullBitmap: Uint8Array | null; bits: Uint8Array } {
    const { length, setCount } = this;
    const bits = this.bits.subarray(0, (length + 7) >> 3);
    this.bits = new Uint8Array(Math.max(1024, bits.byteLength));
    this.length = 0;
    this.setCount = 0;
    const nullCount = length - setCount;
    return { length, nullCount, nullBitmap: nullCount === 0 ? null : bits, bits };
  }
}
