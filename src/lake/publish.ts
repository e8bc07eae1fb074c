import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Connection } from "#duckdb";
import { quoteLiteral } from "#duckdb";
import { isLakeError } from "#kernel";
import { hashFile } from "#storage";
import { commit } from "./commit.js";
import type { Lake } from "./lake.js";
import { type FileRef, filesOf, type Snapshot } from "./snapshot.js";
import { ROW_GROUP_SIZE } from "./table-layout.js";

/** Files written but not yet part of a snapshot: staged, checksummed, published under unique names, or dropped. */
export class FileWriter {
  private readonly lake: Lake;
  private readonly staging: string;
  private readonly published: string[] = [];
  private durable = 0;

  private constructor(lake: Lake, staging: string) {
    this.lake = lake;
    this.staging = staging;
  }

  /**
   * Runs a commit with a writer of its own. `work` answers the snapshot it made; files it does not use are removed,
   * all of them when it made none. When it is unclear whether the commit happened nothing is removed (`vacuum` does it later).
   */
  static async during(
    lake: Lake,
    work: (writer: FileWriter) => Promise<Snapshot | undefined>,
  ): Promise<Snapshot | undefined> {
    const writer = new FileWriter(lake, await lake.store.stagingDirectory("write"));
    try {
      const snapshot = await lake.reading(() => work(writer));
      const used = new Set(snapshot === undefined ? [] : filesOf(snapshot).map((file) => file.key));
      await writer.removeAllBut(used);
      return snapshot;
    } catch (error) {
      if (!isLakeError(error, "lake/commit-outcome-unknown")) await writer.removeAllBut(new Set());
      throw error;
    } finally {
      await rm(writer.staging, { recursive: true, force: true }).catch(() => undefined);
    }
  }

  /** {@link commit} for changes that name this writer's files: they are made durable before the snapshot that needs them. */
  commit(prepare: Parameters<typeof commit>[1]): Promise<Snapshot | undefined> {
    return commit(this.lake, async (head) => {
      const change = await prepare(head);
      if (change !== undefined && this.durable < this.published.length) {
        await this.lake.store.makeDurable(this.published.slice(this.durable));
        this.durable = this.published.length;
      }
      return change;
    });
  }

  /**
   * Writes a query's rows as one Parquet file below `folder` (for example `resources/Patient`) in a `date=` partition.
   * Undefined when the query gave no rows: no file is kept then.
   */
  async parquet(connection: Connection, folder: string, select: string): Promise<FileRef | undefined> {
    const name = `${randomUUID()}.parquet`;
    const staged = path.join(this.staging, name);
    // The least level: a tenth less work than the usual one, and files that are no larger.
    const [result] = await connection.rows<{ Count: string }>(
      `COPY (${select}) TO ${quoteLiteral(staged)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE ${ROW_GROUP_SIZE})`,
    );
    const rows = Number(result?.Count ?? 0);
    if (rows === 0) {
      await rm(staged, { force: true });
      return undefined;
    }
    const hashed = await hashFile(staged);
    const date = this.lake.clock.now().toISOString().slice(0, 10);
    const key = `${folder}/date=${date}/${name}`;
    await this.lake.store.publish(staged, key);
    this.published.push(key);
    return { key, rows, ...hashed };
  }

  /** The path of a folder for passing files, which goes with the writer. */
  passing(): string {
    return path.join(this.staging, randomUUID());
  }

  private async removeAllBut(used: ReadonlySet<string>): Promise<void> {
    for (const key of this.published) {
      if (!used.has(key)) await this.lake.store.delete(key).catch(() => undefined);
    }
  }
}
