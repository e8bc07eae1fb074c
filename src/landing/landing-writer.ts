import { createHash, type Hash } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import { storageFailure } from "#storage";
import type { LandingFile } from "./manifest.js";
import { headerText, type RecordHeader } from "./record.js";

const FIRST_BUFFER_BYTES = 16 * 1024;
const LAST_BUFFER_BYTES = 256 * 1024;
const LF = 0x0a;

/** How one writer splits its files. */
export interface LandingWriterOptions {
  readonly landingDir: string;
  /** A file is closed as soon as it holds at least this many bytes. */
  readonly targetFileBytes: number;
  /** Which of several writers on the same folder this is; they never use the same file name. */
  readonly lane?: { readonly index: number; readonly count: number };
}

/** The open file of one resource type, with what is not yet written of it. */
class OpenFile {
  readonly relativePath: string;
  readonly fullPath: string;
  rows = 0;
  sizeBytes = 0;
  private maxRecordBytes = 0;
  private readonly fd: number;
  private readonly hash: Hash = createHash("sha256");
  private buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  private used = 0;

  constructor(landingDir: string, relativePath: string) {
    this.relativePath = relativePath;
    this.fullPath = path.join(landingDir, relativePath);
    this.fd = guarded("create", this.fullPath, () => openSync(this.fullPath, "wx"));
  }

  append(header: string, raw: Buffer, start: number, end: number): void {
    const size = header.length + end - start + 1;
    this.rows++;
    this.sizeBytes += size;
    if (size > this.maxRecordBytes) this.maxRecordBytes = size;
    if (size > this.buffer.length - this.used) this.makeRoom(size);
    if (size > this.buffer.length) {
      this.write(Buffer.from(header, "latin1"));
      this.write(raw.subarray(start, end));
      this.write(Buffer.of(LF));
      return;
    }
    this.used += this.buffer.write(header, this.used, "latin1");
    this.used += raw.copy(this.buffer, this.used, start, end);
    this.buffer[this.used++] = LF;
  }

  close(type: string): LandingFile {
    this.flush();
    guarded("write", this.fullPath, () => {
      fsyncSync(this.fd);
      closeSync(this.fd);
    });
    const { relativePath, rows, sizeBytes, maxRecordBytes } = this;
    return { type, path: relativePath, rows, sizeBytes, maxRecordBytes, sha256: this.hash.digest("hex") };
  }

  /** Gives the descriptor back without caring for the content. */
  abandon(): void {
    try {
      closeSync(this.fd);
    } catch {
      // The failure that led here is the one to tell.
    }
  }

  private makeRoom(size: number): void {
    this.flush();
    // Rare types keep a small buffer: a landing may have 150 types open at once.
    const wanted = Math.min(LAST_BUFFER_BYTES, Math.max(size, this.buffer.length * 2));
    if (wanted > this.buffer.length) this.buffer = Buffer.allocUnsafeSlow(wanted);
  }

  private flush(): void {
    if (this.used > 0) this.write(this.buffer.subarray(0, this.used));
    this.used = 0;
  }

  private write(bytes: Buffer): void {
    this.hash.update(bytes);
    guarded("write", this.fullPath, () => {
      let at = 0;
      while (at < bytes.length) at += writeSync(this.fd, bytes, at, bytes.length - at);
    });
  }
}

function guarded<T>(action: string, place: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storageFailure(action, place, error);
  }
}

/**
 * Writes landing files, one open file per resource type, each hashed while it is written and forced to the disk when
 * it is closed. Memory stays below 256 KiB per type. It does blocking I/O, which is what a worker thread is for.
 * The folder itself and `landing.json` are the caller's to make durable.
 */
export class LandingWriter {
  private readonly options: LandingWriterOptions;
  private readonly open = new Map<string, OpenFile>();
  private readonly ordinals = new Map<string, number>();
  private readonly closed: LandingFile[] = [];

  constructor(options: LandingWriterOptions) {
    this.options = options;
  }

  /** Appends a record whose raw text is `bytes[start, end)`; see {@link RecordHeader} for what the fields may hold. */
  append(type: string, header: RecordHeader, bytes: Buffer, start: number, end: number): void {
    let file = this.open.get(type);
    if (file === undefined) {
      file = new OpenFile(this.options.landingDir, this.nextName(type));
      this.open.set(type, file);
    }
    file.append(headerText(header), bytes, start, end);
    if (file.sizeBytes >= this.options.targetFileBytes) {
      this.closed.push(file.close(type));
      this.open.delete(type);
    }
  }

  /** Closes and syncs everything; the files in the order they were closed. */
  finish(): LandingFile[] {
    for (const [type, file] of this.open) {
      this.closed.push(file.close(type));
      this.open.delete(type);
    }
    return this.closed;
  }

  /** Closes everything after a failure; the folder is then to be thrown away. */
  abandon(): void {
    for (const file of this.open.values()) file.abandon();
    this.open.clear();
  }

  private nextName(type: string): string {
    const lane = this.options.lane ?? { index: 0, count: 1 };
    const ordinal = this.ordinals.get(type) ?? lane.index;
    this.ordinals.set(type, ordinal + lane.count);
    return `${type}.${String(ordinal).padStart(4, "0")}.landing`;
  }
}
