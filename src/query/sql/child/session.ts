import path from "node:path";
import { type Connection, type Database, type Parameters, parseColumnType } from "#duckdb";
import { LakeError } from "#kernel";
import type { EncodedColumn } from "../../encoding.js";
import type { ResultFormat } from "../../format.js";
import { type EncodedResult, type EncodeOptions, ResultEncoder } from "../../result.js";
import { mapSqlError } from "../failure.js";
import type { Prepared, StatementOrder } from "../protocol.js";
import type { CheckedStatement } from "./checked-statement.js";
import { boundParameters } from "./parameters.js";

/** Rows of an answer with a limit are kept in a table of this name, which no user can name. */
const ANSWER = "_answer_of_the_user";

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

/** One statement over the views of an engine. */
export class Session {
  private readonly database: Database;
  private readonly order: StatementOrder;
  private readonly checked: CheckedStatement;
  private encoder: ResultEncoder | undefined;

  constructor(database: Database, order: StatementOrder, checked: CheckedStatement) {
    this.database = database;
    this.order = order;
    this.checked = checked;
  }

  /** Binds the statement; with a limit it is run, too. */
  async prepare(): Promise<Prepared> {
    const { checked, order } = this;
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

  /** Leaves nothing of the statement behind in the engine. */
  async close(): Promise<void> {
    if (this.order.limit === undefined) return;
    await this.database.with((connection) => connection.run(`DROP TABLE IF EXISTS ${ANSWER}`));
  }
}

/** A column of an answer, with the engine's own name of its type. */
interface AnswerColumn extends EncodedColumn {
  readonly sqlType: string;
}
