import { createHash, type Hash } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
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

/** Characters collected before they are written: keeps memory bounded with hundreds of files open. */
const CHUNK = 1 << 17;

/** A text file that grows line by line; nothing is held open between writes. */
class LineFile {
  private readonly file: string;
  private readonly name: string;
  private readonly hash: Hash = createHash("sha256");
  private pending = "";
  private started = false;
  private lines = 0;
  private bytes = 0;

  constructor(outDir: string, name: string) {
    this.name = name;
    this.file = path.join(outDir, ...name.split("/"));
  }

  /** Adds a line; true when enough has come together that {@link flush} should be awaited. */
  add(line: string): boolean {
    this.pending += line;
    this.pending += "\n";
    this.lines++;
    return this.pending.length >= CHUNK;
  }

  /** Writes what has come together and returns its size in bytes. */
  async flush(): Promise<number> {
    if (this.pending === "") return 0;
    const chunk = Buffer.from(this.pending, "utf8");
    this.pending = "";
    this.hash.update(chunk);
    this.bytes += chunk.length;
    try {
      await writeFile(this.file, chunk, { flag: this.started ? "a" : "w" });
    } catch (error) {
      throw writeFailed(this.name, error);
    }
    this.started = true;
    return chunk.length;
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
  private bytes = 0;

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
      if (error instanceof Error && "kind" in error) throw error;
      throw writeFailed(outDir, error);
    }
    return new OutputFolder(outDir);
  }

  /** Makes a folder below the output folder. */
  async folder(name: string): Promise<void> {
    await mkdir(path.join(this.outDir, name), { recursive: true });
  }

  /** Adds a line to a file (a path with `/` below the folder). Awaits the disk only when a chunk is full. */
  add(name: string, line: string): Promise<void> | undefined {
    let file = this.files.get(name);
    if (file === undefined) {
      file = new LineFile(this.outDir, name);
      this.files.set(name, file);
    }
    if (!file.add(line)) return undefined;
    return file.flush().then((size) => {
      this.bytes += size;
    });
  }

  /** Bytes written so far. */
  get writtenBytes(): number {
    return this.bytes;
  }

  /** Writes out everything and tells what the files are, by path. */
  async finish(): Promise<FileSummary[]> {
    for (const file of this.files.values()) this.bytes += await file.flush();
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
