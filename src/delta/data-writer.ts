import { randomUUID } from "node:crypto";
import { copyFile, link, stat } from "node:fs/promises";
import path from "node:path";
import { type Connection, type Database, quoteIdentifier, quoteLiteral } from "#duckdb";
import type { Clock } from "#kernel";
import type { FileRef } from "#lake";
import type { AddFile } from "./action.js";
import { type DeltaField, sqlTypeOf } from "./delta-type.js";
import { conforms, type PhysicalType, parsePhysicalType } from "./physical-type.js";
import { countingRows, type LiveRows, type SourceFile, type SourcePaths } from "./source-file.js";
import { fileStats } from "./stats.js";
import { columnsId, encodeTags } from "./tags.js";
import { type PublishTarget, tableKey } from "./target.js";

const ROW_GROUP_SIZE = 20_480;

/** A data file in its place below the table, but in no version yet. */
export interface WrittenFile {
  readonly key: string;
  readonly add: Omit<AddFile, "dataChange">;
  /** True when it is the lake's file under a second name. */
  readonly linked: boolean;
}

/** The time in a data file's name. File times do not serve: a second name of an old file is as old as the file. */
export function publishedAtMs(key: string): number | undefined {
  const match = /(?:^|\/)(\d{13})-[0-9a-f-]{36}\.parquet$/.exec(key);
  return match === null ? undefined : Number(match[1]);
}

/** Puts data files of one table into their place. */
export class DataWriter {
  /** Object keys of all files made so far. */
  readonly made = new Map<string, WrittenFile>();
  private readonly database: Database;
  private readonly clock: Clock;
  private readonly target: PublishTarget;
  private readonly table: string;
  private readonly paths: SourcePaths;
  private readonly staging: string;
  private readonly durable = new Set<string>();

  constructor(parts: {
    readonly database: Database;
    readonly clock: Clock;
    readonly target: PublishTarget;
    readonly table: string;
    readonly paths: SourcePaths;
    readonly staging: string;
  }) {
    this.database = parts.database;
    this.clock = parts.clock;
    this.target = parts.target;
    this.table = parts.table;
    this.paths = parts.paths;
    this.staging = parts.staging;
  }

  /** The published columns that a lake file has, with their physical types. */
  async presentColumns(
    file: FileRef,
    columns: readonly DeltaField[],
  ): Promise<{ readonly column: DeltaField; readonly physical: PhysicalType }[]> {
    const relation = await this.paths.relation([file]);
    const described = await this.database.with((connection) =>
      connection.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${relation}`),
    );
    const types = new Map(described.map((row) => [row.column_name, row.column_type]));
    return columns.flatMap((column) => {
      const type = types.get(column.name);
      return type === undefined ? [] : [{ column, physical: parsePhysicalType(type) }];
    });
  }

  /** {@link columnsId} of the published columns that a lake file has. */
  async columnsIdOf(file: FileRef, columns: readonly DeltaField[]): Promise<string> {
    return columnsId((await this.presentColumns(file, columns)).map(({ column }) => column));
  }

  /**
   * A published file with the rows of `source` that count. The lake's own file serves, under a second name, when all its rows count and
   * its columns are of the published types; else the rows are written anew. Asking again for the same gives the same file.
   */
  async file(source: SourceFile, live: LiveRows, columns: readonly DeltaField[]): Promise<WrittenFile> {
    const present = await this.presentColumns(source.file, columns);
    const here = present.map(({ column }) => column);
    const tags = encodeTags(source, live, here);
    const identity = JSON.stringify(tags);
    const known = this.made.get(identity);
    if (known !== undefined) return known;
    const asItIs =
      live.rows === source.file.rows &&
      present.every(({ column, physical }) => conforms(physical, column.type));
    const name = `${String(this.clock.now().getTime()).padStart(13, "0")}-${randomUUID()}.parquet`;
    const staged = path.join(this.staging, name);
    const written = await this.database.with(async (connection) => {
      if (asItIs) await this.link(source.file, staged);
      else await this.write(connection, source, present, staged);
      const stats = await fileStats(connection, staged, live.rows, here);
      const { size } = await stat(staged);
      const key = tableKey(this.target, this.table, name);
      await this.target.store.publish(staged, key);
      const modificationTime = this.clock.now().getTime();
      return {
        key,
        linked: asItIs,
        add: { path: name, partitionValues: {}, size, modificationTime, stats: JSON.stringify(stats), tags },
      };
    });
    this.made.set(identity, written);
    return written;
  }

  private async link(file: FileRef, staged: string): Promise<void> {
    const local = await this.paths.path(file);
    // Another file system, or one without links: the bytes are copied.
    await link(local, staged).catch(() => copyFile(local, staged));
  }

  private async write(
    connection: Connection,
    source: SourceFile,
    present: readonly { readonly column: DeltaField; readonly physical: PhysicalType }[],
    staged: string,
  ): Promise<void> {
    const select = present.map(({ column }) => {
      const name = quoteIdentifier(column.name);
      return `CAST(${name} AS ${sqlTypeOf(column.type)}) AS ${name}`;
    });
    const rows = await countingRows(source, this.paths, select);
    await connection.run(
      `COPY (${rows}) TO ${quoteLiteral(staged)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE ${ROW_GROUP_SIZE})`,
    );
  }

  /** Makes files survive a power loss before a version names them. */
  async makeDurable(files: readonly WrittenFile[]): Promise<void> {
    const keys = files.map((file) => file.key).filter((key) => !this.durable.has(key));
    if (keys.length === 0) return;
    await this.target.store.makeDurable(keys);
    for (const key of keys) this.durable.add(key);
  }

  /** Removes every file made that is not among `used`. */
  async removeAllBut(used: ReadonlySet<string>): Promise<void> {
    const unused = [...this.made.values()].map((file) => file.key).filter((key) => !used.has(key));
    if (unused.length > 0) await this.target.store.deleteMany(unused).catch(() => undefined);
  }
}
