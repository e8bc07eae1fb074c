/** What the server and the process that runs a statement say to each other. Everything here is plain JSON. */
import type { SqlParameter } from "#duckdb";
import { type ErrorKind, isLakeError, LakeError } from "#kernel";
import type { ResultFormat } from "../format.js";
import type { EncodeOptions } from "../result.js";

/** A statement and how it may use the machine. */
export interface StatementOrder {
  readonly sql: string;
  readonly parameters: Readonly<Record<string, SqlParameter>>;
  /** The answer is cut after so many rows; absent for all. */
  readonly limit?: number;
  /** Names of all views that there are. */
  readonly views: readonly string[];
  /** Folder of the process, absolute: what its engine may write to. */
  readonly home: string;
  /** An empty folder of this statement's own, in that of the process. */
  readonly folder: string;
  readonly memoryLimitBytes: number;
  readonly threads: number;
}

/** A view that a statement reads, as SQL over files alone. */
export interface SealedView {
  readonly name: string;
  readonly columns: readonly string[];
  /** To stand after FROM. */
  readonly relation: string;
}

/** Options of an encoding that can be sent. */
export interface SentOptions extends Omit<EncodeOptions, "signal" | "metadata"> {
  readonly metadata?: readonly (readonly [string, string])[];
}

/** To the process. A statement is `prepare`d, given its `views`, encoded as often as wanted, and `finish`ed. */
export type Order =
  | { readonly type: "prepare"; readonly statement: StatementOrder }
  | { readonly type: "views"; readonly views: readonly SealedView[] }
  | { readonly type: "encode"; readonly format: ResultFormat | "texts"; readonly options: SentOptions }
  | { readonly type: "finish" };

/** What a prepared statement answers with. */
export interface Prepared {
  readonly columns: readonly { readonly name: string; readonly sqlType: string }[];
  /** True when the limit cuts rows off. */
  readonly truncated: boolean;
  /** How many rows there will be: counted where there is a limit, else the engine's guess, null where it has none. */
  readonly rows: number | null;
}

/** From the process. Bytes of answers go by a pipe of their own. */
export type Report =
  | { readonly type: "ready" }
  | { readonly type: "needs"; readonly views: readonly string[] }
  | ({ readonly type: "prepared" } & Prepared)
  /** The bytes begin. */
  | { readonly type: "encoding"; readonly sizeBytes?: number }
  | { readonly type: "progress"; readonly rows: number }
  /** All bytes of the encoding, so many, are in the pipe. */
  | { readonly type: "encoded"; readonly rows: number; readonly bytes: number }
  | { readonly type: "finished" }
  /** The order failed; the statement is over. */
  | { readonly type: "failed"; readonly error: SentError };

/** An error without its cause, which may quote data. */
export interface SentError {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export function sentError(error: unknown): SentError {
  if (!isLakeError(error)) {
    return {
      kind: "internal",
      code: "query/sql-crashed",
      message: "The statement failed unexpectedly.",
      details: {},
    };
  }
  const { kind, code, message, details } = error;
  return { kind, code, message, details };
}

export function receivedError({ kind, code, message, details }: SentError): LakeError {
  return new LakeError(kind, code, message, { details });
}
