import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { link, mkdir, readdir, readFile, rename, rm, rmdir, stat } from "node:fs/promises";
import path from "node:path";
import { mapConcurrently } from "#kernel";
import { hashFile, syncDirectory, syncFile, writeNewFileSynced } from "./durable-file.js";
import { notFound, storageFailure } from "./errors.js";
import { checkKey, checkLabel } from "./key.js";
import type { FileDigest, FileHold, ObjectEntry, ObjectStore } from "./object-store.js";
import { stagingName } from "./staging-name.js";

const SYNCS_AT_ONCE = 4;

function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

async function syncIfThere(folder: string): Promise<void> {
  await syncDirectory(folder).catch((error: unknown) => {
    if (errno(error) !== "ENOENT") throw error;
  });
}

/**
 * A lake in a local folder. A new small object is written to staging, fsynced and linked into place (`link(2)` fails when the
 * name exists and never shows a partial file), and its folder is fsynced before it is answered. A large file is renamed to its unique
 * name; `makeDurable` fsyncs files and folders of a whole commit together.
 */
export class LocalStore implements ObjectStore {
  readonly location: string;
  private readonly unsynced = new Set<string>();

  constructor(root: string) {
    this.location = path.resolve(root);
  }

  private resolve(key: string): string {
    return path.join(this.location, ...checkKey(key).split("/"));
  }

  /** Creates the folders of a path and makes their names durable, from the root downwards. */
  private async makeDirectory(dir: string): Promise<void> {
    const first = await mkdir(dir, { recursive: true });
    if (first === undefined) return;
    let made = dir;
    for (;;) {
      await syncDirectory(path.dirname(made));
      if (made === first) return;
      made = path.dirname(made);
    }
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<"created" | "exists"> {
    const target = this.resolve(key);
    const staged = path.join(this.location, "staging", `put-${randomUUID()}`);
    try {
      await this.makeDirectory(path.dirname(target));
      await this.makeDirectory(path.dirname(staged));
      await writeNewFileSynced(staged, bytes);
      try {
        await link(staged, target);
      } catch (error) {
        if (errno(error) === "EEXIST") return "exists";
        throw error;
      }
      await syncDirectory(path.dirname(target));
      return "created";
    } catch (error) {
      throw storageFailure("write", key, error);
    } finally {
      await rm(staged, { force: true }).catch(() => undefined);
    }
  }

  async get(key: string): Promise<Uint8Array> {
    try {
      return await readFile(this.resolve(key));
    } catch (error) {
      if (errno(error) === "ENOENT") throw notFound(key, error);
      throw storageFailure("read", key, error);
    }
  }

  async publish(localFile: string, key: string): Promise<void> {
    const target = this.resolve(key);
    try {
      const first = await mkdir(path.dirname(target), { recursive: true });
      if (first !== undefined) this.noteCreated(first, path.dirname(target));
      await rename(localFile, target);
    } catch (error) {
      throw storageFailure("publish", key, error);
    }
  }

  /** Remembers the folders whose new sub-folders are not yet durable. */
  private noteCreated(first: string, last: string): void {
    for (let made = last; ; made = path.dirname(made)) {
      this.unsynced.add(path.dirname(made));
      if (made === first) return;
    }
  }

  async makeDurable(keys: readonly string[]): Promise<void> {
    try {
      const files = keys.map((key) => this.resolve(key));
      // Side by side the file system gathers them into few journal commits.
      await mapConcurrently(files, SYNCS_AT_ONCE, syncFile);
      const parents = [...this.unsynced];
      const folders = new Set(files.map((file) => path.dirname(file)));
      await mapConcurrently([...folders], SYNCS_AT_ONCE, syncDirectory);
      // Those that files given up have left may be gone again: empty folders are pruned.
      await mapConcurrently(parents, SYNCS_AT_ONCE, syncIfThere);
      for (const parent of parents) this.unsynced.delete(parent);
    } catch (error) {
      throw storageFailure("sync", keys[0] ?? "", error);
    }
  }

  async localPath(key: string): Promise<string> {
    const file = this.resolve(key);
    try {
      await stat(file);
      return file;
    } catch (error) {
      if (errno(error) === "ENOENT") throw notFound(key, error);
      throw storageFailure("read", key, error);
    }
  }

  hold(): FileHold {
    // A file of the lake itself is its own copy.
    return { localPath: (key) => this.localPath(key), release: async () => undefined };
  }

  async digest(key: string): Promise<FileDigest> {
    const file = await this.localPath(key);
    try {
      return await hashFile(file);
    } catch (error) {
      throw storageFailure("read", key, error);
    }
  }

  async *list(prefix: string): AsyncIterable<ObjectEntry> {
    const slash = prefix.lastIndexOf("/");
    const start = slash < 0 ? "" : prefix.slice(0, slash);
    yield* this.walk(start, prefix);
  }

  private async *walk(folder: string, prefix: string): AsyncIterable<ObjectEntry> {
    const dir = folder === "" ? this.location : this.resolve(folder);
    let entries: Dirent[];
    try {
      entries = await readdir(dir, { withFileTypes: true });
    } catch (error) {
      if (errno(error) === "ENOENT") return;
      throw storageFailure("list", folder, error);
    }
    for (const entry of entries) {
      const key = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (key.startsWith(prefix) || prefix.startsWith(`${key}/`)) yield* this.walk(key, prefix);
      } else if (entry.isFile() && key.startsWith(prefix)) {
        const info = await stat(path.join(dir, entry.name)).catch(() => undefined);
        if (info !== undefined) yield { key, sizeBytes: info.size, modifiedAtMs: info.mtimeMs };
      }
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await rm(this.resolve(key), { force: true });
    } catch (error) {
      throw storageFailure("delete", key, error);
    }
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    await mapConcurrently(keys, SYNCS_AT_ONCE, (key) => this.delete(key));
  }

  async prune(prefixes: readonly string[], cutoffMs: number): Promise<void> {
    for (const prefix of prefixes) {
      const folder = prefix.replace(/\/$/, "");
      await this.pruneFolder(path.join(this.location, ...folder.split("/")), cutoffMs, true);
    }
  }

  private async pruneFolder(dir: string, cutoffMs: number, top: boolean): Promise<void> {
    // Taken first: removing a folder within makes this one younger.
    const info = await stat(dir).catch(() => undefined);
    const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (entry.isDirectory()) await this.pruneFolder(path.join(dir, entry.name), cutoffMs, false);
    }
    if (top) return;
    // rmdir refuses a folder that is not empty, so a writer that just put something there loses nothing.
    // File times are finer than the clock's milliseconds.
    if (info !== undefined && Math.floor(info.mtimeMs) <= cutoffMs) await rmdir(dir).catch(() => undefined);
  }

  async stagingDirectory(label: string): Promise<string> {
    const dir = path.join(this.location, "staging", stagingName(label));
    try {
      await mkdir(dir, { recursive: true });
      return dir;
    } catch (error) {
      throw storageFailure("create", "staging", error);
    }
  }

  async workDirectory(label: string): Promise<string> {
    const dir = path.join(this.location, "work", checkLabel(label));
    try {
      await this.makeDirectory(dir);
      return dir;
    } catch (error) {
      throw storageFailure("create", `work/${label}`, error);
    }
  }

  async close(): Promise<void> {
    // Nothing is held open between calls.
  }
}
