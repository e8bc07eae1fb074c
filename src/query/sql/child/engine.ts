import path from "node:path";
import { type Connection, Database, quoteIdentifier } from "#duckdb";
import type { SealedView, StatementOrder } from "../protocol.js";
import type { Json, JsonObject } from "../syntax-tree.js";
import { serialize } from "./checked-statement.js";

/** The string constants below a node: in a view's relation, the files that it reads are among them. */
function constants(node: Json, found: Set<string>): void {
  if (Array.isArray(node)) {
    for (const item of node as readonly Json[]) constants(item, found);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const record = node as JsonObject;
  if (record["class"] === "CONSTANT") {
    const value = (record["value"] as { readonly value?: unknown } | undefined)?.value;
    if (typeof value === "string") found.add(value);
    return;
  }
  for (const member of Object.values(record)) constants(member, found);
}

/** The string constants in the arguments of table functions: the files of a relation that the lake made. */
function filesOf(node: Json, found: Set<string>): void {
  if (Array.isArray(node)) {
    for (const item of node as readonly Json[]) filesOf(item, found);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const record = node as JsonObject;
  if (record["type"] === "TABLE_FUNCTION") constants(record["function"] ?? null, found);
  for (const member of Object.values(record)) filesOf(member, found);
}

/** Defines the views; answers with the files that they read. */
async function define(connection: Connection, views: readonly SealedView[]): Promise<ReadonlySet<string>> {
  const files = new Set<string>();
  for (const { name, columns, relation } of views) {
    const items = columns.map(quoteIdentifier).join(", ");
    const rows = `${relation} AS _view`;
    await connection.run(`CREATE VIEW ${quoteIdentifier(name)} AS SELECT ${items} FROM ${rows}`);
    filesOf(await serialize(connection, `SELECT * FROM ${rows}`), files);
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
