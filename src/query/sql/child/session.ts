import path from "node:path";
import { type Connection, Database, type Parameters, parseColumnType, quoteIdentifier } from "#duckdb";
import { LakeError } from "#kernel";
import type { EncodedColumn } from "../../encoding.js";
import type { ResultFormat } from "../../format.js";
import { type EncodedResult, type EncodeOptions, ResultEncoder } from "../../result.js";
import { mapSqlError } from "../failure.js";
import type { Prepared, SealedView, StatementOrder } from "../protocol.js";
import type { Json, JsonObject } from "../syntax-tree.js";
import { type CheckedStatement, serialize } from "./checked-statement.js";
import { boundParameters } from "./parameters.js";

/** Rows of an answer with a limit are kept in a table of this name, which no user can name. */
const ANSWER = "_answer_of_the_user";

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

/** The engine's guess of an answer's rows; null where it makes none. */
async function estimate(
  connection: Connection,
  source: string,
  parameters: Parameters,
): Promise<number | null> {
  const [row] = await connection.rows<{ explain_value: string }>(
    `EXPLAIN (FORMAT json) ${source}`,
    parameters,
  );
  const plan = JSON.parse(row?.explain_value ?? "[]") as {
    readonly extra_info?: Readonly<Record<string, unknown>>;
  }[];
  const guess = plan[0]?.extra_info?.["Estimated Cardinality"];
  return typeof guess === "string" && /^\d{1,15}$/.test(guess) ? Number(guess) : null;
}

/**
 * One statement in an engine of its own, which holds nothing but the views that the statement reads and is sealed to their files before
 * any of the statement is run.
 */
export class Session {
  private readonly order: StatementOrder;
  private readonly database: Database;
  private readonly checked: CheckedStatement;
  private encoder: ResultEncoder | undefined;

  private constructor(order: StatementOrder, database: Database, checked: CheckedStatement) {
    this.order = order;
    this.database = database;
    this.checked = checked;
  }

  /** An engine for a statement that was checked. */
  static async open(order: StatementOrder, checked: CheckedStatement): Promise<Session> {
    const { memoryLimitBytes, threads, folder } = order;
    const database = await Database.open({
      memoryLimitBytes,
      threads,
      tempDirectory: path.join(folder, "spill"),
      preserveInsertionOrder: true,
    });
    return new Session(order, database, checked);
  }

  /** Takes the views, closes the engine to everything else, and binds the statement; with a limit it is run, too. */
  async prepare(views: readonly SealedView[]): Promise<Prepared> {
    const { checked, order } = this;
    await this.define(views);
    try {
      return await this.database.with(async (connection) => {
        const parameters = await boundParameters(connection, checked.parameters, order.parameters);
        return order.limit === undefined
          ? await this.lazily(connection, checked.source, parameters)
          : await this.cut(connection, checked.source, parameters, order.limit);
      });
    } catch (error) {
      throw mapSqlError(error);
    }
  }

  private async define(views: readonly SealedView[]): Promise<void> {
    const files = new Set<string>();
    await this.database.with(async (connection) => {
      for (const { name, columns, relation } of views) {
        const items = columns.map(quoteIdentifier).join(", ");
        const rows = `${relation} AS _view`;
        await connection.run(`CREATE VIEW ${quoteIdentifier(name)} AS SELECT ${items} FROM ${rows}`);
        filesOf(await serialize(connection, `SELECT * FROM ${rows}`), files);
      }
    });
    // Parquet answers are written here, and sorts that do not fit into memory.
    await this.database.seal({ files: [...files], folder: this.order.folder });
  }

  private async columnsOf(
    connection: Connection,
    source: string,
    parameters: Parameters,
  ): Promise<AnswerColumn[]> {
    const rows = await connection.rows<{ column_name: string; column_type: string }>(
      `DESCRIBE ${source}`,
      parameters,
    );
    return rows.map(({ column_name: name, column_type: sqlType }) => ({
      name,
      type: parseColumnType(sqlType),
      sqlType,
      decimalText: false,
    }));
  }

  private answer(
    source: string,
    parameters: Parameters,
    columns: readonly AnswerColumn[],
  ): Pick<Prepared, "columns"> {
    const temporary = path.join(this.order.folder, "answer");
    this.encoder = new ResultEncoder(this.database, { source, parameters, columns }, temporary);
    return { columns: columns.map(({ name, sqlType }) => ({ name, sqlType })) };
  }

  /** The statement is run while its rows are read. */
  private async lazily(connection: Connection, source: string, parameters: Parameters): Promise<Prepared> {
    const columns = await this.columnsOf(connection, source, parameters);
    const rows = await estimate(connection, source, parameters);
    return { ...this.answer(source, parameters, columns), truncated: false, rows };
  }

  /** The statement is run once, up to the first row beyond the limit, so that it is known whether there is one. */
  private async cut(
    connection: Connection,
    source: string,
    parameters: Parameters,
    limit: number,
  ): Promise<Prepared> {
    await connection.run(`CREATE TABLE ${ANSWER} AS ${source} LIMIT ${limit + 1}`, parameters);
    const columns = await this.columnsOf(connection, `FROM ${ANSWER}`, []);
    const [row] = await connection.rows<{ n: string }>(`SELECT count(*) AS n FROM ${ANSWER}`);
    const found = Number(row!.n);
    const answer = this.answer(`SELECT * FROM ${ANSWER} LIMIT ${limit}`, [], columns);
    return { ...answer, truncated: found > limit, rows: Math.min(found, limit) };
  }

  private prepared(): ResultEncoder {
    if (this.encoder === undefined)
      throw new LakeError("internal", "query/sql-order", "No statement was prepared.");
    return this.encoder;
  }

  async encode(format: ResultFormat, options: EncodeOptions): Promise<EncodedResult> {
    return await this.prepared().encode(format, options);
  }

  async texts(): Promise<(string | null)[][]> {
    return await this.prepared().texts({});
  }

  close(): void {
    this.database.close();
  }
}

/** A column of an answer, with the engine's own name of its type. */
interface AnswerColumn extends EncodedColumn {
  readonly sqlType: string;
}
