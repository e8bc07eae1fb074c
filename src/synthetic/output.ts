import { createHash, type Hash } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { isLakeError } from "#kernel";
import { outputNotEmpty, writeFailed } from "./errors.js";

/** What is known of a written file. */
export interface FileSummary {
  /** Path below the output folder, with `/`. */
  readonly path: string;
  readonly lines: number;
  readonly bytes: number;
  /** SHA-256 of the content, lower-case hex. */
  readonly sha256: string;
}

/** Bytes collected before they are written. Files that get little keep a smaller buffer. */
const CHUNK = 1 << 17;
const FIRST_CHUNK = 1 << 13;
/** Chunks that may be on their way to the disk while the next ones are made. */
const CHUNKS_IN_FLIGHT = 4;

/** A text file that grows line by line; nothing is held open between writes. */
class LineFile {
  private readonly file: string;
  private readonly name: string;
  private readonly hash: Hash = createHash("sha256");
  // Lines are encoded as they come: holding them as strings keeps all their pieces alive, which costs more than copying.
  private buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_CHUNK);
  private used = 0;
  private started = false;
  private lines = 0;
  private written: Promise<void> = Promise.resolve();
  /** Bytes sent to the disk so far. */
  bytes = 0;

  constructor(outDir: string, name: string) {
    this.name = name;
    this.file = path.join(outDir, ...name.split("/"));
  }

  /** Adds a line; true when enough has come together to be flushed. */
  add(line: string): boolean {
    // A UTF-16 code unit takes three bytes at most.
    this.reserve(line.length * 3 + 1);
    this.used += this.buffer.write(line, this.used, "utf8");
    this.buffer[this.used++] = 0x0a;
    this.lines++;
    return this.used >= CHUNK;
  }

  private reserve(size: number): void {
    if (this.used + size <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.used + size));
    this.buffer.copy(larger, 0, 0, this.used);
    this.buffer = larger;
  }

  /** Sends what has come together to the disk, after what was sent before; resolves when it is written. */
  flush(): Promise<void> {
    if (this.used === 0) return this.written;
    const chunk = this.buffer.subarray(0, this.used);
    this.buffer = Buffer.allocUnsafeSlow(this.buffer.length);
    this.used = 0;
    this.hash.update(chunk);
    this.bytes += chunk.length;
    const flag = this.started ? "a" : "w";
    this.started = true;
    this.written = this.written.then(() => this.append(chunk, flag));
    return this.written;
  }

  private async append(chunk: Buffer, flag: "a" | "w"): Promise<void> {
    try {
      await writeFile(this.file, chunk, { flag });
    } catch (error) {
      throw writeFailed(this.name, error);
    }
  }

  /** What was written; call it after the last flush. */
  summary(): FileSummary {
    return { path: this.name, lines: this.lines, bytes: this.bytes, sha256: this.hash.copy().digest("hex") };
  }
}

/** The files of a population in one folder, made as lines arrive for them. */
export class OutputFolder {
  private readonly outDir: string;
  private readonly files = new Map<string, LineFile>();
  private readonly inFlight: Promise<void>[] = [];

  private constructor(outDir: string) {
    this.outDir = outDir;
  }

  /**
   * Opens the folder, making it if need be. One that holds anything is refused (`synthetic/output-not-empty`), unless
   * `overwrite` is set: then what an earlier run of the generator may have written is removed, and nothing else.
   */
  static async open(outDir: string, overwrite: boolean): Promise<OutputFolder> {
    try {
      await mkdir(outDir, { recursive: true });
      const names = await readdir(outDir);
      if (names.length > 0 && !overwrite) throw outputNotEmpty(outDir);
      for (const name of names.filter(isOurs)) await rm(path.join(outDir, name), { recursive: true });
    } catch (error) {
      throw isLakeError(error) ? error : writeFailed(outDir, error);
    }
    return new OutputFolder(outDir);
  }

  /** Makes a folder below the output folder. */
  async folder(name: string): Promise<void> {
    try {
      await mkdir(path.join(this.outDir, name), { recursive: true });
    } catch (error) {
      throw writeFailed(name, error);
    }
  }

  /**
   * Adds a line to a file (a path with `/` below the folder). Now and then it returns a promise, to be awaited before the
   * next line, so that making lines never runs far ahead of the disk.
   */
  add(name: string, line: string): Promise<void> | undefined {
    let file = this.files.get(name);
    if (file === undefined) {
      file = new LineFile(this.outDir, name);
      this.files.set(name, file);
    }
    if (!file.add(line)) return undefined;
    const writing = file.flush();
    // The failure is reported to whoever awaits this promise later; until then it must not count as unhandled.
    writing.catch(() => undefined);
    this.inFlight.push(writing);
    return this.inFlight.length > CHUNKS_IN_FLIGHT ? this.inFlight.shift() : undefined;
  }

  /** Bytes sent to the disk so far. */
  get writtenBytes(): number {
    let sum = 0;
    for (const file of this.files.values()) sum += file.bytes;
    return sum;
  }

  /** Waits until nothing is being written any more, whether it succeeded or not: for a run that ends early. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.inFlight.splice(0));
  }

  /** Writes out everything and tells what the files are, by path. */
  async finish(): Promise<FileSummary[]> {
    await Promise.all(this.inFlight.splice(0));
    for (const file of this.files.values()) await file.flush();
    const summaries = [...this.files.values()].map((file) => file.summary());
    return summaries.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Writes a whole small file. */
  async writeText(name: string, text: string): Promise<void> {
    try {
      await writeFile(path.join(this.outDir, name), text);
    } catch (error) {
      throw writeFailed(name, error);
    }
  }
}

/** True for names that the generator writes: `Type.ndjson`, `truth.*`, `batch-001`. */
function isOurs(name: string): boolean {
  return /^[A-Z][A-Za-z]+\.ndjson$|^truth\.(csv|json)$|^batch-\d{3}$/.test(name);
}
