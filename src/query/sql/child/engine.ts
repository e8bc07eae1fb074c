import path from "node:path";
import { type Connection, Database, quoteIdentifier } from "#duckdb";
import type { SealedView, StatementOrder } from "../protocol.js";
import { isObject, type Json, type JsonObject } from "../syntax-tree.js";
import { serialize } from "./checked-statement.js";

/** A node of a syntax tree and all nodes below it. */
function* nodesFrom(node: Json): Generator<JsonObject> {
  if (Array.isArray(node)) {
    for (const item of node as readonly Json[]) yield* nodesFrom(item);
  } else if (isObject(node)) {
    yield node;
    for (const member of Object.values(node)) yield* nodesFrom(member);
  }
}

/** The string constants in the arguments of table functions: the files of a relation that the lake made. */
function filesOf(tree: Json): string[] {
  const calls = [...nodesFrom(tree)].filter((node) => node["type"] === "TABLE_FUNCTION");
  const constants = calls
    .flatMap((call) => [...nodesFrom(call["function"] ?? null)])
    .filter((node) => node["class"] === "CONSTANT");
  const values = constants.map((node) => (isObject(node["value"]) ? node["value"]["value"] : undefined));
  return values.filter((value) => typeof value === "string");
}

/** Defines the views; answers with the files that they read. */
async function define(connection: Connection, views: readonly SealedView[]): Promise<ReadonlySet<string>> {
  const files = new Set<string>();
  for (const { name, columns, relation } of views) {
    const items = columns.map(quoteIdentifier).join(", ");
    const rows = `${relation} AS _view`;
    await connection.run(`CREATE VIEW ${quoteIdentifier(name)} AS SELECT ${items} FROM ${rows}`);
    for (const file of filesOf(await serialize(connection, `SELECT * FROM ${rows}`))) files.add(file);
  }
  return files;
}

/** An engine that holds nothing but some views and is sealed to their files and the process's folder, before any statement comes. */
export class Engine {
  readonly database: Database;
  private readonly holds: string;

  private constructor(database: Database, holds: string) {
    this.database = database;
    this.holds = holds;
  }

  static async open(
    { memoryLimitBytes, threads, home }: Pick<StatementOrder, "memoryLimitBytes" | "threads" | "home">,
    views: readonly SealedView[],
  ): Promise<Engine> {
    const database = await Database.open({
      memoryLimitBytes,
      threads,
      tempDirectory: path.join(home, "spill"),
      preserveInsertionOrder: true,
      keepParquetFooters: true,
    });
    try {
      const files = await database.with((connection) => define(connection, views));
      // Parquet answers are written to the folder, and sorts that do not fit into memory.
      await database.seal({ files: [...files], folder: home });
    } catch (error) {
      database.close();
      throw error;
    }
    return new Engine(database, JSON.stringify(views));
  }

  /** Whether it holds just these views, over the same files. */
  isOf(views: readonly SealedView[]): boolean {
    return this.holds === JSON.stringify(views);
  }

  close(): void {
    this.database.close();
  }
}
