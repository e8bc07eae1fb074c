import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { LakeError } from "#kernel";
import { storageFailure, syncDirectory, writeNewFileSynced } from "#storage";

function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** The JSON of a state file, or undefined when there is none. Throws `source/damaged-state`. */
export async function readState(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw storageFailure("read", file, error);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw damagedState(path.dirname(file), error);
  }
}

/** Work in progress that cannot be read again. */
export function damagedState(folder: string, cause?: unknown): LakeError {
  return new LakeError(
    "corrupt-data",
    "source/damaged-state",
    `The work in progress in '${folder}' is damaged or of another version; delete that folder and run again, everything is fetched anew.`,
    { cause },
  );
}

/** Replaces a state file at once: after a crash either the old or the new one is there, whole and synced. */
export async function writeState(file: string, state: unknown): Promise<void> {
  const staged = `${file}.${randomUUID()}.new`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeNewFileSynced(staged, Buffer.from(`${JSON.stringify(state)}\n`));
    await rename(staged, file);
    await syncDirectory(path.dirname(file));
  } catch (error) {
    await rm(staged, { force: true }).catch(() => undefined);
    throw storageFailure("write", file, error);
  }
}

/** Removes everything in a folder but the files named; the folder itself stays. */
export async function emptyFolder(folder: string, keep: ReadonlySet<string> = new Set()): Promise<void> {
  try {
    for (const name of await readdir(folder)) {
      if (!keep.has(name)) await rm(path.join(folder, name), { recursive: true, force: true });
    }
  } catch (error) {
    if (errno(error) !== "ENOENT") throw storageFailure("empty", folder, error);
  }
}

/** A file of JSON lines that only grows. A line counts when it is there whole; `append` returns after it is synced. */
export class Ledger {
  private readonly file: string;
  private handle: Promise<FileHandle> | undefined;
  private last: Promise<void> = Promise.resolve();

  constructor(file: string) {
    this.file = file;
  }

  /** All whole lines. What a crash left of a last one is cut off, so that the next line starts on its own. */
  async read(): Promise<unknown[]> {
    let text: string;
    try {
      text = await readFile(this.file, "utf8");
    } catch (error) {
      if (errno(error) === "ENOENT") return [];
      throw storageFailure("read", this.file, error);
    }
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (whole.length < text.length) {
      const handle = await this.open();
      await handle.truncate(Buffer.byteLength(whole));
    }
    try {
      return whole
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as unknown);
    } catch (error) {
      throw damagedState(path.dirname(this.file), error);
    }
  }

  /** Adds one line, after all lines that were asked for before it. */
  append(entry: unknown): Promise<void> {
    const written = this.last.then(async () => {
      const handle = await this.open();
      await handle.appendFile(`${JSON.stringify(entry)}\n`);
      await handle.sync();
    });
    this.last = written.catch(() => undefined);
    return written.catch((error: unknown) => {
      throw storageFailure("write", this.file, error);
    });
  }

  async close(): Promise<void> {
    await this.last;
    const handle = await this.handle;
    this.handle = undefined;
    await handle?.close();
  }

  private open(): Promise<FileHandle> {
    this.handle ??= (async () => {
      await mkdir(path.dirname(this.file), { recursive: true });
      const handle = await open(this.file, "a");
      await syncDirectory(path.dirname(this.file));
      return handle;
    })();
    return this.handle;
  }
}
