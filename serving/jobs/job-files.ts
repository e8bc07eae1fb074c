import { createHash } from "node:crypto";
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { LakeError } from "#kernel";
import { type Job, jobSchema } from "./job.js";

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const RECORD = "job.json";
const RESULT = "result";

/** A job of that id is not known, or not any more. */
export function noSuchJob(): LakeError {
  return new LakeError(
    "not-found",
    "serving/no-such-job",
    "There is no job of this id; jobs are forgotten a week after their end.",
  );
}

/** What writing a result came to. */
export interface WrittenResult {
  readonly bytes: number;
  readonly sha256: string;
}

/** Jobs as folders: a record, and the result once there is one. Servers of one lake on one machine share them. */
export class JobFiles {
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  private path(id: string, ...rest: readonly string[]): string {
    if (!ID.test(id)) throw noSuchJob();
    return path.join(this.folder, id, ...rest);
  }

  async ids(): Promise<string[]> {
    const names = await readdir(this.folder).catch(() => []);
    return names.filter((name) => ID.test(name));
  }

  /** Fails with `serving/no-such-job`. */
  async read(id: string): Promise<Job> {
    const text = await readFile(this.path(id, RECORD), "utf8").catch(() => undefined);
    const parsed = text === undefined ? undefined : jobSchema.safeParse(JSON.parse(text));
    if (parsed?.success !== true) throw noSuchJob();
    return parsed.data;
  }

  /** Makes the folder of a new job, with its record. */
  async create(job: Job): Promise<void> {
    await mkdir(this.path(job.id), { recursive: true, mode: 0o700 });
    await this.write(job);
  }

  /** Replaces the record. Fails with `serving/no-such-job` when the job was removed meanwhile. */
  async write(job: Job): Promise<void> {
    const next = this.path(job.id, `${RECORD}.${process.pid}.next`);
    try {
      await writeFile(next, JSON.stringify(job), { mode: 0o600 });
      await rename(next, this.path(job.id, RECORD));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw noSuchJob();
      throw error;
    }
  }

  /** Writes the result; `onBytes` is told the size so far and may throw to end it. What was written is removed when it fails. */
  async writeResult(
    id: string,
    body: AsyncIterable<Uint8Array>,
    onBytes: (bytes: number) => void,
  ): Promise<WrittenResult> {
    const file = await open(this.path(id, RESULT), "wx", 0o600);
    const hash = createHash("sha256");
    let bytes = 0;
    try {
      for await (const part of body) {
        await file.write(part);
        hash.update(part);
        bytes += part.byteLength;
        onBytes(bytes);
      }
      await file.sync();
      return { bytes, sha256: hash.digest("hex") };
    } catch (error) {
      await this.removeResult(id);
      throw error;
    } finally {
      await file.close();
    }
  }

  /** The result, open for reading: it can be read to its end even when it is removed meanwhile. */
  async openResult(id: string): Promise<FileHandle> {
    return await open(this.path(id, RESULT), "r");
  }

  async removeResult(id: string): Promise<void> {
    await rm(this.path(id, RESULT), { force: true });
  }

  /** Removes the job with everything of it. */
  async remove(id: string): Promise<void> {
    await rm(this.path(id), { recursive: true, force: true });
  }

  /** Bytes of all results, finished or not. */
  async resultBytes(): Promise<number> {
    const ids = await this.ids();
    const sizes = await Promise.all(
      ids.map((id) =>
        stat(this.path(id, RESULT)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }
}
