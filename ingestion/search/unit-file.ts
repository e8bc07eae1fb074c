import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { hashFile, storageFailure } from "#storage";
import type { FetchedFile } from "../source/fetched.js";
import type { WorkFolder } from "./work-folder.js";

/** What is known to be on the disk of a file in progress, with where to go on. */
interface Note<Position> {
  readonly bytes: number;
  readonly lines: number;
  readonly position: Position;
}

/** An NDJSON file that grows page by page and can be gone on with after a kill at any moment. */
export class UnitFile<Position> {
  private readonly folder: WorkFolder<unknown>;
  private readonly name: string;
  private readonly handle: FileHandle;
  private bytes: number;
  lines: number;
  /** Where the earlier call that wrote the beginning had come to; undefined for a new file. */
  readonly position: Position | undefined;

  private constructor(
    folder: WorkFolder<unknown>,
    name: string,
    handle: FileHandle,
    note: Note<Position> | undefined,
  ) {
    this.folder = folder;
    this.name = name;
    this.handle = handle;
    this.bytes = note?.bytes ?? 0;
    this.lines = note?.lines ?? 0;
    this.position = note?.position;
  }

  /** Opens `<name>.part`, cut back to what its note says is complete. */
  static async open<Position>(folder: WorkFolder<unknown>, name: string): Promise<UnitFile<Position>> {
    const file = folder.path(`${name}.part`);
    const note = (await folder.readNote(`${name}.note`)) as Note<Position> | undefined;
    try {
      // A kill may have come after the file got its name and before that was written down.
      if (note !== undefined) await rename(folder.path(`${name}.ndjson`), file).catch(() => undefined);
      const handle = await open(file, note === undefined ? "w" : "a+");
      const kept = note !== undefined && (await handle.stat()).size >= note.bytes ? note : undefined;
      await handle.truncate(kept?.bytes ?? 0);
      return new UnitFile(folder, name, handle, kept);
    } catch (error) {
      throw storageFailure("open", file, error);
    }
  }

  /** Adds lines whose characters are bytes (latin1). */
  async add(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const bytes = Buffer.from(`${lines.join("\n")}\n`, "latin1");
    try {
      await this.handle.appendFile(bytes);
    } catch (error) {
      throw storageFailure("write", this.name, error);
    }
    this.bytes += bytes.length;
    this.lines += lines.length;
  }

  /** Adds lines, forces them to the disk and notes the position after them. */
  async append(lines: readonly string[], position: Position): Promise<void> {
    await this.add(lines);
    await this.sync();
    const note: Note<Position> = { bytes: this.bytes, lines: this.lines, position };
    await this.folder.writeNote(`${this.name}.note`, note);
  }

  private async sync(): Promise<void> {
    try {
      await this.handle.datasync();
    } catch (error) {
      throw storageFailure("write", this.name, error);
    }
  }

  /** Gives the file its name; undefined (and no file) when it holds nothing. */
  async finish(kind: FetchedFile["kind"], type: string | undefined): Promise<FetchedFile | undefined> {
    await this.sync();
    await this.close();
    const part = this.partPath;
    if (this.lines === 0) {
      await rm(part, { force: true });
      return undefined;
    }
    const target = this.folder.path(`${this.name}.ndjson`);
    try {
      await rename(part, target);
      const { sizeBytes, sha256 } = await hashFile(target);
      return {
        path: target,
        kind,
        ...(type === undefined ? {} : { type }),
        lines: this.lines,
        sha256,
        sizeBytes,
      };
    } catch (error) {
      throw storageFailure("complete", target, error);
    }
  }

  /** The path of the file while it is in progress. */
  get partPath(): string {
    return this.folder.path(`${this.name}.part`);
  }

  async close(): Promise<void> {
    await this.handle.close().catch(() => undefined);
  }
}
