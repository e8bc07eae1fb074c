import type { Connection, Database, PreparedStatement } from "#duckdb";

/**
 * Statements that are run for every batch of changes. Reading and binding the text of a view takes far longer than running it over a few
 * resources, so each is planned once, on a connection of its own.
 */
export class Plans {
  readonly connection: Connection;
  private generation = 0;

  private constructor(connection: Connection) {
    this.connection = connection;
  }

  /**
   * Also keeps the engine from checkpoints of its own. They free the memory of removed rows, but every column of every table that is
   * written to afterwards takes a whole block of 256 KiB: half a gigabyte for the live tables of all shipped views. Tables are made anew instead.
   */
  static async open(database: Database): Promise<Plans> {
    const connection = await database.connect();
    await connection.run("SET GLOBAL checkpoint_threshold = '1TB'");
    return new Plans(connection);
  }

  /** Tells that tables were made or dropped: each statement is planned again before its next run. */
  tablesChanged(): void {
    this.generation++;
  }

  /** A statement that reads the table `reads` (quoted) and is planned when it is first run, and again when tables have changed. */
  statement(sql: string, reads: string): Planned {
    return new Planned(this.connection, { sql, reads }, () => this.generation);
  }

  close(): void {
    this.connection.close();
  }
}

/** One statement with its plan. */
export class Planned {
  private readonly connection: Connection;
  private readonly text: { readonly sql: string; readonly reads: string };
  private readonly generation: () => number;
  private prepared: PreparedStatement | undefined;
  private preparedAt = -1;

  constructor(connection: Connection, text: Planned["text"], generation: () => number) {
    this.connection = connection;
    this.text = text;
    this.generation = generation;
  }

  /** Plans it now unless that was done already. */
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
