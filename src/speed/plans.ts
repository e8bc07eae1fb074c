import type { Connection, Database, PreparedStatement } from "#duckdb";

/**
 * Where live tables are written. Statements are run for every batch of changes, and reading and binding the text of a view takes far longer
 * than running it over a few resources, so each is planned once, on the connection that runs it.
 */
export class Plans {
  private readonly database: Database;
  private readonly lanes = new Map<string, Lane>();
  private generation = 0;

  private constructor(database: Database) {
    this.database = database;
  }

  /**
   * Also keeps the engine from checkpoints of its own. They free the memory of removed rows, but every column of every table that is
   * written to afterwards takes a whole block of 256 KiB: half a gigabyte for the live tables of all shipped views. Tables are made anew instead.
   */
  static async open(database: Database): Promise<Plans> {
    await database.with((connection) => connection.run("SET GLOBAL checkpoint_threshold = '1TB'"));
    return new Plans(database);
  }

  /** The connection of that name, with plans of its own: what is written on one does not wait for another. */
  async lane(name: string): Promise<Lane> {
    const lane = this.lanes.get(name) ?? new Lane(await this.database.connect(), () => this.generation);
    this.lanes.set(name, lane);
    return lane;
  }

  /** Tells that tables were made or dropped: each statement is planned again before its next run. */
  tablesChanged(): void {
    this.generation++;
  }

  close(): void {
    for (const lane of this.lanes.values()) lane.close();
    this.lanes.clear();
  }
}

/** A connection and the statements that are planned on it. */
export class Lane {
  readonly connection: Connection;
  private readonly generation: () => number;
  private readonly begin: Planned;
  private readonly commit: Planned;

  constructor(connection: Connection, generation: () => number) {
    this.connection = connection;
    this.generation = generation;
    // No table has a part in these.
    this.begin = new Planned(connection, { sql: "BEGIN", reads: undefined }, () => 0);
    this.commit = new Planned(connection, { sql: "COMMIT", reads: undefined }, () => 0);
  }

  /** Does something in one transaction: all of it or nothing. */
  async transaction(work: () => Promise<void>): Promise<void> {
    await this.commit.ready();
    await this.begin.run();
    try {
      await work();
      await this.commit.run();
    } catch (error) {
      await this.connection.run("ROLLBACK").catch(() => undefined);
      throw error;
    }
  }

  /** A statement that reads the table `reads` (quoted) and is planned when it is first run, and again when tables have changed. */
  statement(sql: string, reads: string): Planned {
    return new Planned(this.connection, { sql, reads }, this.generation);
  }

  close(): void {
    this.begin.close();
    this.commit.close();
    this.connection.close();
  }
}

/** One statement with its plan. */
export class Planned {
  private readonly connection: Connection;
  private readonly text: { readonly sql: string; readonly reads: string | undefined };
  private readonly generation: () => number;
  private prepared: PreparedStatement | undefined;
  private preparedAt = -1;

  constructor(connection: Connection, text: Planned["text"], generation: () => number) {
    this.connection = connection;
    this.text = text;
    this.generation = generation;
  }

  /** Plans it now unless that was done already. Not within a transaction. */
  async ready(): Promise<PreparedStatement> {
    const generation = this.generation();
    if (this.prepared !== undefined && this.preparedAt === generation) return this.prepared;
    this.close();
    this.prepared = await this.connection.prepare(this.text.sql, this.text.reads);
    this.preparedAt = generation;
    return this.prepared;
  }

  async run(): Promise<void> {
    await (await this.ready()).run();
  }

  close(): void {
    this.prepared?.close();
    this.prepared = undefined;
  }
}
