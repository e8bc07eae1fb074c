import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";
import { mapDuckDbError } from "./errors.js";

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
}

/**
 * One DuckDB instance with extension downloads off and row order not preserved (results are bags; ORDER BY where order matters).
 * Time zone is UTC, so that no answer depends on the machine's zone.
 */
export class Database {
  private readonly instance: DuckDBInstance;

  private constructor(instance: DuckDBInstance) {
    this.instance = instance;
  }

  static async open(options: DatabaseOptions = {}): Promise<Database> {
    const config: Record<string, string> = {
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
      preserve_insertion_order: "false",
    };
    if (options.readOnly === true) config["access_mode"] = "READ_ONLY";
    if (options.memoryLimitBytes !== undefined) {
      config["memory_limit"] = `${Math.floor(options.memoryLimitBytes / 1024)}KiB`;
    }
    if (options.threads !== undefined) config["threads"] = String(options.threads);
    config["temp_directory"] = options.tempDirectory ?? "";
    try {
      return new Database(await DuckDBInstance.create(options.path ?? ":memory:", config));
    } catch (error) {
      throw mapDuckDbError(error);
    }
  }

  /** A new connection; connections run queries independently of each other. */
  async connect(): Promise<Connection> {
    const raw = await this.instance.connect();
    await raw.run("SET TimeZone = 'UTC'");
    return new Connection(raw);
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

  close(): void {
    this.instance.closeSync();
  }
}

/** A connection; statements on one connection run one after the other. */
export class Connection {
  /** The driver's own connection, for code inside this module only. */
  readonly raw: DuckDBConnection;

  constructor(raw: DuckDBConnection) {
    this.raw = raw;
  }

  /** Runs a statement for its effect. Positional parameters are `$1`, `$2`, …  */
  async run(sql: string, parameters: readonly DuckDBValue[] = []): Promise<void> {
    try {
      await this.raw.run(sql, [...parameters]);
    } catch (error) {
      throw mapDuckDbError(error);
    }
  }

  /**
   * All rows as objects with JSON-safe values: 64-bit integers, decimals, timestamps and UUIDs come as text.
   * For small results only: everything is held in memory.
   */
  async rows<Row = Record<string, unknown>>(
    sql: string,
    parameters: readonly DuckDBValue[] = [],
  ): Promise<Row[]> {
    try {
      const reader = await this.raw.runAndReadAll(sql, [...parameters]);
      return reader.getRowObjectsJson() as Row[];
    } catch (error) {
      throw mapDuckDbError(error);
    }
  }

  /** Asks DuckDB to stop what this connection runs; long single-value calls may take seconds to notice. */
  interrupt(): void {
    this.raw.interrupt();
  }

  close(): void {
    this.raw.closeSync();
  }
}
