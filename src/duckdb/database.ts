import {
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBPreparedStatement,
  type DuckDBValue,
} from "@duckdb/node-api";
import { mapDuckDbError } from "./errors.js";
import type { NamedParameters } from "./parameter.js";
import { quoteLiteral } from "./quote.js";
import { ResultStream, throwIfCancelled } from "./result-stream.js";

/** How one embedded DuckDB instance may use the machine. */
export interface DatabaseOptions {
  /** A database file, or nothing for an in-memory database. */
  readonly path?: string;
  readonly readOnly?: boolean;
  /** Upper bound of DuckDB's own buffers in bytes; single giant values are not bounded by it. */
  readonly memoryLimitBytes?: number;
  /** Worker threads; the default is DuckDB's (one per core). */
  readonly threads?: number;
  /** Folder for spilling; without it a query over the memory limit fails instead of spilling. */
  readonly tempDirectory?: string;
  /** True gives answers in the order of the files they come from, the same on every run; needed where bytes must repeat. */
  readonly preserveInsertionOrder?: boolean;
  /** True keeps what Parquet files say of their row groups in memory, for the many questions to the same files that a server gets. */
  readonly keepParquetFooters?: boolean;
}

/** How a statement may be cancelled. */
export interface RunOptions {
  /** Aborting it interrupts the statement, which then fails with `duckdb/interrupted`. */
  readonly signal?: AbortSignal | undefined;
}

/** Values for `$1`, `$2`, … in order, or for `$name`. */
export type Parameters = readonly DuckDBValue[] | NamedParameters;

type DriverArguments = [values?: DuckDBValue[] | NamedParameters["values"], types?: NamedParameters["types"]];

/** As the driver takes them: values, then types. Without any it has the engine read and plan the statement once instead of twice. */
function driverArguments(parameters: Parameters): DriverArguments {
  if ("values" in parameters && "types" in parameters) return [parameters.values, parameters.types];
  return parameters.length === 0 ? [] : [[...parameters]];
}

/** What a sealed engine may still reach. */
export interface Openings {
  /** Files that may be read. */
  readonly files: readonly string[];
  /** A folder that may be read and written, with an absolute path. */
  readonly folder?: string;
}

/**
 * One DuckDB instance with extension downloads off and, unless asked for, row order not preserved (results are bags; ORDER BY
 * where order matters). Time zone is UTC, so that no answer depends on the machine's zone.
 */
export class Database {
  private readonly instance: DuckDBInstance;
  /** As many as it was opened with; undefined for as many as there are processors. */
  private readonly threads: number | undefined;
  private attached: Promise<string> | undefined;

  private constructor(instance: DuckDBInstance, threads: number | undefined) {
    this.instance = instance;
    this.threads = threads;
  }

  static async open(options: DatabaseOptions = {}): Promise<Database> {
    const config: Record<string, string> = {
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
      preserve_insertion_order: options.preserveInsertionOrder === true ? "true" : "false",
    };
    if (options.readOnly === true) config["access_mode"] = "READ_ONLY";
    if (options.memoryLimitBytes !== undefined) {
      config["memory_limit"] = `${Math.floor(options.memoryLimitBytes / 1024)}KiB`;
    }
    if (options.threads !== undefined) config["threads"] = String(options.threads);
    config["temp_directory"] = options.tempDirectory ?? "";
    try {
      const instance = await DuckDBInstance.create(options.path ?? ":memory:", config);
      const first = await instance.connect();
      await first.run("SET GLOBAL TimeZone = 'UTC'");
      if (options.keepParquetFooters === true) await first.run("SET GLOBAL parquet_metadata_cache = true");
      first.closeSync();
      return new Database(instance, options.threads);
    } catch (error) {
      throw mapDuckDbError(error);
    }
  }

  /** A new connection; connections run queries independently of each other. */
  async connect(): Promise<Connection> {
    return new Connection(await this.instance.connect());
  }

  /** Runs `work` on a connection of its own and closes it afterwards. */
  async with<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.connect();
    try {
      return await work(connection);
    } finally {
      connection.close();
    }
  }

  /**
   * Runs `work` on a connection of its own while the whole instance has one thread: a statement over wide rows then takes about half of the
   * memory, because each thread buffers pages of its own. Others' statements go on meanwhile, with that one thread.
   */
  async withOneThread<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const restored =
      this.threads === undefined ? "RESET GLOBAL threads" : `SET GLOBAL threads = ${this.threads}`;
    return this.with(async (connection) => {
      await connection.run("SET GLOBAL threads = 1");
      try {
        return await work(connection);
      } finally {
        await connection.run(restored);
      }
    });
  }

  /**
   * Closes the instance to the outside for good: from now on SQL may reach no file but those named, install nothing and
   * change no setting. A named file could still be written by COPY, so statements must be checked to be SELECTs as well.
   */
  async seal({ files, folder }: Openings): Promise<void> {
    await this.with(async (connection) => {
      await connection.run(`SET allowed_paths = [${files.map(quoteLiteral).join(", ")}]`);
      if (folder !== undefined) await connection.run(`SET allowed_directories = [${quoteLiteral(folder)}]`);
      await connection.run("SET enable_external_access = false");
      await connection.run("SET lock_configuration = true");
    });
  }

  /**
   * Name of a database in memory beside the main one, for tables that come and go: a table that is made or dropped makes DuckDB plan every
   * prepared statement anew at each run that has to do with the same database.
   */
  passing(): Promise<string> {
    this.attached ??= this.with(async (connection) => {
      await connection.run("ATTACH ':memory:' AS passing");
      return "passing";
    });
    return this.attached;
  }

  /** Forgets the pieces of files that are kept in memory in case they are read again. */
  async forgetFiles(): Promise<void> {
    await this.with(async (connection) => {
      await connection.run("SET GLOBAL enable_external_file_cache = false");
      await connection.run("SET GLOBAL enable_external_file_cache = true");
    });
  }

  close(): void {
    this.instance.closeSync();
  }
}

/** A connection; statements on one connection run one after the other. */
export class Connection {
  /** The driver's own connection, for code inside this module only. */
  readonly raw: DuckDBConnection;
  private readonly signals = new Set<AbortSignal>();
  private readonly onAbort = () => this.interrupt();

  constructor(raw: DuckDBConnection) {
    this.raw = raw;
  }

  /** Runs a statement for its effect. See {@link Parameters}. */
  async run(sql: string, parameters: Parameters = [], options: RunOptions = {}): Promise<void> {
    await this.interruptible(options.signal, () => this.raw.run(sql, ...driverArguments(parameters)));
  }

  /**
   * All rows as objects with JSON-safe values: 64-bit integers, decimals, timestamps and UUIDs come as text.
   * For small results only: everything is held in memory.
   */
  async rows<Row = Record<string, unknown>>(
    sql: string,
    parameters: Parameters = [],
    options: RunOptions = {},
  ): Promise<Row[]> {
    const reader = await this.interruptible(options.signal, () =>
      this.raw.runAndReadAll(sql, ...driverArguments(parameters)),
    );
    return reader.getRowObjectsJson() as Row[];
  }

  /**
   * The result of a SELECT, computed while it is read. The connection is busy until the stream has ended or the connection
   * is closed; aborting the signal interrupts the query at any time until then.
   */
  async stream(sql: string, parameters: Parameters = [], options: RunOptions = {}): Promise<ResultStream> {
    const { signal } = options;
    signal?.addEventListener("abort", this.onAbort);
    if (signal !== undefined) this.signals.add(signal);
    throwIfCancelled(signal);
    try {
      return new ResultStream(await this.raw.stream(sql, ...driverArguments(parameters)), signal);
    } catch (error) {
      throw mapDuckDbError(error);
    }
  }

  private async interruptible<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    throwIfCancelled(signal);
    signal?.addEventListener("abort", this.onAbort);
    try {
      return await work();
    } catch (error) {
      throw mapDuckDbError(error);
    } finally {
      signal?.removeEventListener("abort", this.onAbort);
    }
  }

  /**
   * Plans a statement once, to be run many times; `reads` is the one table that it reads, quoted, whose columns may all be NULL (undefined: it
   * reads none). Not within a transaction. When tables are made or dropped afterwards DuckDB plans anew at each run: then prepare again.
   *
   * DuckDB takes what a table holds at that moment for granted in its plan (issue 23704 of its repository: rows that come later are
   * missed), but not of a table to which the transaction itself has added rows. So the plan is made in a transaction that adds one and is rolled back.
   */
  async prepare(sql: string, reads: string | undefined): Promise<PreparedStatement> {
    if (reads === undefined) {
      const prepared = await this.interruptible(undefined, () => this.raw.prepare(sql));
      return new PreparedStatement(prepared);
    }
    await this.run("BEGIN");
    try {
      await this.run(`INSERT INTO ${reads} DEFAULT VALUES`);
      return new PreparedStatement(await this.raw.prepare(sql));
    } catch (error) {
      throw mapDuckDbError(error);
    } finally {
      await this.run("ROLLBACK");
    }
  }

  /** Asks DuckDB to stop what this connection runs; long single-value calls may take seconds to notice. */
  interrupt(): void {
    this.raw.interrupt();
  }

  close(): void {
    for (const signal of this.signals) signal.removeEventListener("abort", this.onAbort);
    this.signals.clear();
    this.raw.closeSync();
  }
}

/** A statement that is planned already. */
export class PreparedStatement {
  private readonly raw: DuckDBPreparedStatement;

  constructor(raw: DuckDBPreparedStatement) {
    this.raw = raw;
  }

  /** Runs it for its effect. */
  async run(): Promise<void> {
    try {
      await this.raw.run();
    } catch (error) {
      throw mapDuckDbError(error);
    }
  }

  /** Frees its plan. */
  close(): void {
    this.raw.destroySync();
  }
}
