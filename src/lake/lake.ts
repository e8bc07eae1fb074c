import { AsyncLocalStorage } from "node:async_hooks";
import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { Database } from "#duckdb";
import { type Definitions, type FhirVersion, loadDefinitions } from "#fhir";
import { type Clock, isLakeError, LakeError, systemClock } from "#kernel";
import { type FileHold, isRemote, type ObjectStore, openStore } from "#storage";
import { History } from "./history.js";
import { isStorageNotFound } from "./not-found.js";
import { checkRestored } from "./restoring.js";
import type { FileRef, Snapshot } from "./snapshot.js";

/** How to open a lake. */
export interface LakeOptions {
  /** A folder, or `s3://bucket/prefix`. It need not exist: an empty lake begins with its first commit. */
  readonly location: string;
  /** Bound for the whole process in bytes; DuckDB gets what is left after the runtime's own share. Default 1 GiB. */
  readonly memoryLimitBytes?: number;
  /** FHIR release of a new lake; a lake keeps the release of its first commit. Default 4.0.1. */
  readonly fhirVersion?: FhirVersion;
  readonly clock?: Clock;
  /** Fail with `lake/empty` when there is no snapshot yet: for commands that only read. */
  readonly mustExist?: boolean;
  /** Where the objects are, instead of what `location` says; closed with the lake. */
  readonly store?: ObjectStore;
  /** An engine for this lake's work that stays the caller's to close: many lakes one after the other may share it. */
  readonly engine?: Database;
}

const MIB = 1 << 20;
/** What Node, the scanner and allocator slack take beside DuckDB's accounted buffers. */
const RUNTIME_SHARE_BYTES = 192 * MIB;
const LEAST_DUCKDB_BYTES = 128 * MIB;

/** What a version takes in the engine while it is compared with others of its resource: its key and texts of its order key in several places. */
const FOLD_ROW_BYTES = 550;

/** DuckDB's share of a process-wide memory bound. */
export function duckDbShare(memoryLimitBytes: number): number {
  return Math.max(LEAST_DUCKDB_BYTES, memoryLimitBytes - RUNTIME_SHARE_BYTES);
}

/** An open lake: its store, its history and one DuckDB instance. Close it to give back memory and the spill folder. */
export class Lake {
  readonly store: ObjectStore;
  readonly history: History;
  readonly database: Database;
  readonly definitions: Definitions;
  readonly clock: Clock;
  /** Landing bytes converted at once; smaller under a tight memory limit. */
  readonly chunkBytes: number;
  /** Bytes of rows, as Parquet counts them uncompressed, that are sorted at once when layers are rewritten. */
  readonly sortBytes: number;
  /** Incoming versions that are compared at once. */
  readonly foldRows: number;
  private readonly spill: string;
  private readonly ownsDatabase: boolean;
  private readonly holds = new AsyncLocalStorage<FileHold>();

  private constructor(
    parts: Pick<
      Lake,
      "store" | "history" | "database" | "definitions" | "clock" | "chunkBytes" | "sortBytes" | "foldRows"
    > & {
      spill: string;
      ownsDatabase: boolean;
    },
  ) {
    this.store = parts.store;
    this.history = parts.history;
    this.database = parts.database;
    this.definitions = parts.definitions;
    this.clock = parts.clock;
    this.chunkBytes = parts.chunkBytes;
    this.sortBytes = parts.sortBytes;
    this.foldRows = parts.foldRows;
    this.spill = parts.spill;
    this.ownsDatabase = parts.ownsDatabase;
  }

  /** Opens a lake. Errors: `lake/empty` with `mustExist`, `lake/not-a-folder`, `lake/corrupt-snapshot`, `lake/newer-format`. */
  static async open(options: LakeOptions): Promise<Lake> {
    if (options.store === undefined) await checkLocation(options.location);
    const store = options.store ?? (await openStore(options.location));
    await checkRestored(store);
    const history = new History(store);
    const head = await history.latest();
    if (head === undefined && options.mustExist === true) {
      throw new LakeError(
        "not-found",
        "lake/empty",
        `There is no lake with data in '${store.location}'; ingest something first (fhir-lake ingest ndjson <path>) or name another folder with --lake.`,
      );
    }
    const memoryLimitBytes = options.memoryLimitBytes ?? 1024 * MIB;
    const spill = await store.stagingDirectory(`spill-${process.pid}`);
    const database =
      options.engine ??
      (await Database.open({ memoryLimitBytes: duckDbShare(memoryLimitBytes), tempDirectory: spill }));
    return new Lake({
      store,
      history,
      database,
      definitions: loadDefinitions(
        (head?.fhirVersion as FhirVersion | undefined) ?? options.fhirVersion ?? "4.0.1",
      ),
      clock: options.clock ?? systemClock,
      chunkBytes: memoryLimitBytes >= 1024 * MIB ? 48 * MIB : 24 * MIB,
      // Sorting takes some times what is sorted, and reading it as much again.
      sortBytes: Math.floor(duckDbShare(memoryLimitBytes) / 10),
      foldRows: Math.floor(duckDbShare(memoryLimitBytes) / 4 / FOLD_ROW_BYTES),
      spill,
      ownsDatabase: options.engine === undefined,
    });
  }

  /** The newest snapshot. Errors: `lake/empty`. */
  async head(): Promise<Snapshot> {
    const head = await this.history.latest();
    if (head === undefined) {
      throw new LakeError(
        "not-found",
        "lake/empty",
        `The lake in '${this.store.location}' has no data yet; ingest something first.`,
      );
    }
    return head;
  }

  /**
   * Runs work that reads data files: a remote lake's local copies of what it asks for stay until it has ended, and may then make room.
   * Without it they stay until the lake is closed.
   */
  async reading<T>(work: () => Promise<T>): Promise<T> {
    const hold = this.store.hold();
    try {
      return await this.readingInto(hold, work);
    } finally {
      await hold.release();
    }
  }

  /** {@link reading} with a hold that outlives the work and that the caller releases. */
  readingInto<T>(hold: FileHold, work: () => Promise<T>): Promise<T> {
    return this.holds.run(hold, work);
  }

  /**
   * Local paths of data files for DuckDB. A file whose size is not the recorded one is damaged: `lake/damaged-file`, with its key.
   * (`verify` compares the contents too.)
   */
  async paths(files: readonly FileRef[]): Promise<string[]> {
    return Promise.all(files.map((file) => this.path(file)));
  }

  private async path(file: FileRef): Promise<string> {
    const from = this.holds.getStore() ?? this.store;
    const local = await from.localPath(file.key, file).catch((cause: unknown) => {
      if (isStorageNotFound(cause)) throw damaged(file, "is missing", cause);
      if (isLakeError(cause, "storage/damaged-object")) throw damaged(file, "is not what was written", cause);
      throw cause;
    });
    const { size } = await stat(local);
    if (size !== file.sizeBytes) throw damaged(file, `has ${size} bytes instead of ${file.sizeBytes}`);
    return local;
  }

  /** A local folder on the disk that this lake writes to. */
  get stagingRoot(): string {
    return this.spill;
  }

  /** True for an object that this very process is using in staging. */
  isOwn(key: string): boolean {
    return this.spill.split(path.sep).join("/").endsWith(key.split("/").slice(0, 2).join("/"));
  }

  async close(): Promise<void> {
    // An enabled storage costs every later promise of the process a little.
    this.holds.disable();
    if (this.ownsDatabase) this.database.close();
    await rm(this.spill, { recursive: true, force: true });
    await this.store.close();
  }
}

function damaged(file: FileRef, what: string, cause?: unknown): LakeError {
  return new LakeError(
    "corrupt-data",
    "lake/damaged-file",
    `The data file '${file.key}' ${what}; restore it from a backup and run fhir-lake verify.`,
    { details: { key: file.key }, cause },
  );
}

async function checkLocation(location: string): Promise<void> {
  if (isRemote(location)) return;
  const info = await stat(location).catch(() => undefined);
  if (info !== undefined && !info.isDirectory()) {
    throw new LakeError(
      "invalid-input",
      "lake/not-a-folder",
      `'${location}' is not a folder; name the lake's folder with --lake.`,
    );
  }
}
