import { closeSync, openSync, readSync } from "node:fs";

/** A file of lines that stays on disk; resources name ranges in it. */
export class LineFile {
  readonly path: string;
  readonly #descriptor: number;

  constructor(path: string) {
    this.path = path;
    this.#descriptor = openSync(path, "r");
  }

  /** The bytes from `start` up to, not including, `end`. */
  read(start: number, end: number): Buffer {
    const bytes = Buffer.allocUnsafe(end - start);
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(this.#descriptor, bytes, done, bytes.length - done, start + done);
      if (count === 0) throw new Error(`The file '${this.path}' is shorter than it was.`);
      done += count;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The compact JSON text of a resource, in memory or as a range of a file on disk. */
export interface ResourceText {
  readonly sizeBytes: number;
  readonly range?: { readonly file: LineFile; readonly start: number; readonly end: number };
  read(): Buffer;
}

/** A text kept in memory. */
export function memoryText(bytes: Buffer): ResourceText {
  return { sizeBytes: bytes.length, read: () => bytes };
}

/** A text left where it is: only its place is kept, so that a million of them fit. */
export class FileText implements ResourceText {
  readonly #file: LineFile;
  readonly #start: number;
  readonly sizeBytes: number;

  constructor(file: LineFile, start: number, sizeBytes: number) {
    this.#file = file;
    this.#start = start;
    this.sizeBytes = sizeBytes;
  }

  get range(): { file: LineFile; start: number; end: number } {
    return { file: this.#file, start: this.#start, end: this.#start + this.sizeBytes };
  }

  read(): Buffer {
    return this.#file.read(this.#start, this.#start + this.sizeBytes);
  }
}
