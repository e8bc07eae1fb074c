/**
 * Local copies of a remote lake's immutable files, shared by all processes of a machine.
 *
 *   files/<name>                  copies; any process may unlink any of them at any time to make room
 *   processes/<host>.<pid>.<id>/  what one process needs: held/ hard links to copies it reads, published/ files on their way up,
 *                                 incoming/ downloads, staging/
 *   work/<label>/                 work folders, never removed here
 *
 * A reader uses its own hard link, so removing a copy under `files/` never takes a file away from a running query: the bytes stay until
 * the last link goes. The link count is thus the lease, kept by the file system and free of locks. Folders of processes that have
 * ended are removed by the next one that opens the cache.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, readdir, rename, rm, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { storageFailure } from "../errors.js";
import { removeEndedProcesses, startHeartbeat } from "./cache-process.js";

/** Puts the object's bytes into a new local file and answers its size. */
export type Fetch = (file: string) => Promise<number>;

const MADE_ROOM = 0.9;

function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** A file name for a key; keys have no `~`. */
function flat(key: string): string {
  return key.replaceAll("/", "~");
}

/** Fails on file systems without hard links, on which nothing would protect a reader's files. */
async function checkLinks(own: string): Promise<void> {
  const [file, other] = [path.join(own, "link-1"), path.join(own, "link-2")];
  await writeFile(file, "");
  await link(file, other);
  await rm(other);
  await rm(file);
}

/** The cache of one lake in one process. Copies that are held stay, also when they alone exceed the limit. */
export class LocalCache {
  private readonly directory: string;
  private readonly own: string;
  private readonly limitBytes: number;
  private readonly stopHeartbeat: () => void;
  /** Bytes under `files/` as far as this process knows; 0 until they are first counted, when something is added. */
  private knownBytes = 0;
  /** They are counted again above this. */
  private countAbove = 0;
  private making: Promise<void> = Promise.resolve();
  private links = 0;

  private constructor(directory: string, own: string, limitBytes: number) {
    this.directory = directory;
    this.own = own;
    this.limitBytes = limitBytes;
    this.stopHeartbeat = startHeartbeat(own);
  }

  /** Opens the cache in a folder, which is made. */
  static async open(directory: string, limitBytes: number): Promise<LocalCache> {
    const processes = path.join(directory, "processes");
    const own = path.join(processes, `${hostname()}.${process.pid}.${randomUUID()}`);
    try {
      for (const folder of ["held", "published", "incoming", "staging"]) {
        await mkdir(path.join(own, folder), { recursive: true, mode: 0o700 });
      }
      await mkdir(path.join(directory, "files"), { recursive: true, mode: 0o700 });
      await checkLinks(own);
      await removeEndedProcesses(processes);
    } catch (error) {
      throw storageFailure("create the local cache in", directory, error);
    }
    return new LocalCache(directory, own, limitBytes);
  }

  private copy(key: string): string {
    return path.join(this.directory, "files", flat(key));
  }

  private newName(folder: string, key: string): string {
    return path.join(this.own, folder, `${++this.links}-${flat(key)}`);
  }

  /**
   * A path of this process alone with the object's bytes: a link to the copy at hand when its size is the expected one, else to one that
   * `fetch` brings. Give it back with {@link drop}.
   */
  async take(key: string, expectedBytes: number | undefined, fetch: Fetch): Promise<string> {
    const held = this.newName("held", key);
    if (await this.linkCopy(key, held, expectedBytes)) return held;
    const incoming = this.newName("incoming", key);
    const sizeBytes = await this.fetchMakingRoom(incoming, fetch);
    try {
      await rename(incoming, held);
      await this.keep(held, key, sizeBytes);
    } catch (error) {
      throw storageFailure("keep a local copy of", key, error);
    }
    return held;
  }

  private async linkCopy(key: string, held: string, expectedBytes: number | undefined): Promise<boolean> {
    const copy = this.copy(key);
    try {
      await link(copy, held);
    } catch (error) {
      if (errno(error) === "ENOENT") return false;
      throw storageFailure("read the local copy of", key, error);
    }
    const { size } = await stat(held);
    if (expectedBytes !== undefined && size !== expectedBytes) {
      await rm(copy, { force: true });
      await rm(held, { force: true });
      return false;
    }
    // The time of last use: the oldest goes first.
    const now = new Date();
    await utimes(held, now, now).catch(() => undefined);
    return true;
  }

  private async fetchMakingRoom(file: string, fetch: Fetch): Promise<number> {
    try {
      return await fetch(file);
    } catch (error) {
      if ((error as { code?: string }).code !== "storage/disk-full") throw error;
      // Copies are a convenience: a full disk has none.
      await this.makeRoom(0);
      return fetch(file);
    }
  }

  /** Removes a path that {@link take} gave; the copy stays for the next reader. */
  async drop(held: string): Promise<void> {
    await rm(held, { force: true }).catch(() => undefined);
  }

  /** Takes a file over from staging while it is being uploaded; answers its new path. */
  async adopt(localFile: string, key: string): Promise<string> {
    const file = this.newName("published", key);
    await rename(localFile, file);
    return file;
  }

  /** A path of this process alone for a file that {@link adopt} took. */
  async takeAdopted(file: string, key: string): Promise<string> {
    const held = this.newName("held", key);
    await link(file, held);
    return held;
  }

  /** Makes an adopted file, now uploaded, a copy like any other. */
  async settle(file: string, key: string): Promise<void> {
    const { size } = await stat(file);
    await this.keep(file, key, size);
    await rm(file, { force: true });
  }

  /** Forgets an object that is removed from the lake. */
  async forget(key: string): Promise<void> {
    await rm(this.copy(key), { force: true }).catch(() => undefined);
  }

  /** Forgets copies of objects that are no longer in the lake, as `isThere` says; a copy forgotten too much is fetched again. */
  async forgetGone(isThere: (key: string) => boolean): Promise<void> {
    for (const name of await readdir(path.join(this.directory, "files"))) {
      const key = name.replaceAll("~", "/");
      if (!isThere(key)) await this.forget(key);
    }
  }

  private async keep(file: string, key: string, sizeBytes: number): Promise<void> {
    try {
      await link(file, this.copy(key));
    } catch (error) {
      // Another process was faster; the bytes are the same.
      if (errno(error) !== "EEXIST") throw error;
      return;
    }
    this.knownBytes += sizeBytes;
    if (this.knownBytes > this.countAbove) await this.makeRoom(this.limitBytes);
  }

  /** Removes copies when there are too many; for when several were given back, which may have been all that stood in the way. */
  async trim(): Promise<void> {
    if (this.knownBytes > this.limitBytes) await this.makeRoom(this.limitBytes);
  }

  /** Counts the copies and, when they are more than the limit, removes those used longest ago that no process holds. */
  private makeRoom(limitBytes: number): Promise<void> {
    this.making = this.making.then(() => this.removeOldest(limitBytes)).catch(() => undefined);
    return this.making;
  }

  private async removeOldest(limitBytes: number): Promise<void> {
    const folder = path.join(this.directory, "files");
    const copies: { file: string; size: number; usedMs: number }[] = [];
    let total = 0;
    for (const name of await readdir(folder)) {
      const file = path.join(folder, name);
      const info = await stat(file).catch(() => undefined);
      if (info === undefined) continue;
      total += info.size;
      // A held copy takes up its room whether or not it stands here.
      if (info.nlink === 1) copies.push({ file, size: info.size, usedMs: info.mtimeMs });
    }
    if (total > limitBytes) {
      copies.sort((a, b) => a.usedMs - b.usedMs);
      for (const { file, size } of copies) {
        if (total <= limitBytes * MADE_ROOM) break;
        await unlink(file).catch(() => undefined);
        total -= size;
      }
    }
    this.knownBytes = total;
    // Above the limit everything is held: count again only after a tenth more, or every addition would list the folder.
    this.countAbove = Math.max(this.limitBytes, total + this.limitBytes / 10);
  }

  /** A new empty folder that goes with this process. */
  async staging(label: string): Promise<string> {
    const dir = path.join(this.own, "staging", `${label}-${randomUUID()}`);
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      return dir;
    } catch (error) {
      throw storageFailure("create", "staging", error);
    }
  }

  /** The folder of a label, kept until its user empties it. */
  async work(label: string): Promise<string> {
    const dir = path.join(this.directory, "work", label);
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      return dir;
    } catch (error) {
      throw storageFailure("create", `work/${label}`, error);
    }
  }

  /** Gives back everything of this process; the copies stay. */
  async close(): Promise<void> {
    this.stopHeartbeat();
    await rm(this.own, { recursive: true, force: true }).catch(() => undefined);
  }
}
