import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Database } from "#duckdb";
import {
  createQuery,
  type LakeCatalog,
  type QueryService,
  type ResultFormat,
  type SandboxOptions,
  type SqlAnswer,
  type SqlQuestion,
} from "#query";
import { bytesOf } from "./result-bytes.js";

/** What a statement failed with. */
export interface SqlFailure {
  readonly code: string;
  readonly kind: string;
  readonly message: string;
}

/** SQL over a catalog, with a process that is used again and again unless told otherwise. */
export interface SqlSide {
  readonly query: QueryService;
  readonly database: Database;
  /** Where processes have their folders. */
  readonly temporaryFolder: string;
  ask<T>(question: string | SqlQuestion, work: (answer: SqlAnswer) => Promise<T>): Promise<T>;
  texts(question: string | SqlQuestion): Promise<(string | null)[][]>;
  encoded(question: string | SqlQuestion, format: ResultFormat): Promise<Buffer>;
  /** What the statement fails with; throws when it runs. */
  failure(question: string | SqlQuestion): Promise<SqlFailure>;
  close(): Promise<void>;
}

export async function sqlOver(catalog: LakeCatalog, sandbox: SandboxOptions = {}): Promise<SqlSide> {
  const temporaryFolder = await mkdtemp(path.join(tmpdir(), "fhir-lake-sql-"));
  const database = await Database.open({ threads: 1 });
  const query = createQuery(
    { catalog, database, temporaryFolder },
    // One at a time: a statement waits for the process of the one before it instead of starting another.
    { sandbox: { threads: 1, most: 1, ...sandbox } },
  );
  const ask: SqlSide["ask"] = async (question, work) => {
    const opened = await query.snapshot();
    const asked = typeof question === "string" ? { sql: question } : question;
    const answer = await query.runSql(opened, { audience: "the test", ...asked });
    try {
      return await work(answer);
    } finally {
      answer.close();
    }
  };
  const texts: SqlSide["texts"] = (question) => ask(question, (answer) => answer.texts());
  return {
    query,
    database,
    temporaryFolder,
    ask,
    texts,
    encoded: (question, format) =>
      ask(question, async (answer) => await bytesOf(await answer.encode(format))),
    failure: async (question) => {
      try {
        await texts(question);
      } catch (error) {
        return error as SqlFailure;
      }
      throw new Error(`ran: ${typeof question === "string" ? question : question.sql}`);
    },
    close: async () => {
      await query.close();
      database.close();
      await rm(temporaryFolder, { recursive: true, force: true });
    },
  };
}
