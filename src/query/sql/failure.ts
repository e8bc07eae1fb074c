import { isLakeError, LakeError } from "#kernel";

function failed(cause: unknown): LakeError {
  return new LakeError(
    "invalid-input",
    "query/sql-failed",
    "The statement failed on some value, such as a cast that is not possible or a number out of range; try_cast yields NULL instead.",
    { cause },
  );
}

/**
 * The engine's complaint about a statement as ours. Parser, binder and catalog complaints speak of names only and are
 * what an author of SQL needs; the others may quote data, so only their kind is told.
 */
export function mapSqlError(error: unknown): unknown {
  if (isLakeError(error, "duckdb/stream-failed")) return failed(error);
  if (isLakeError(error, "duckdb/out-of-memory")) return tooBig("memory");
  if (isLakeError(error, "duckdb/bad-parameter")) {
    return new LakeError("invalid-input", "query/sql-parameter", error.message, { cause: error });
  }
  if (!isLakeError(error, "duckdb/query-failed")) return error;
  const { cause } = error;
  if (!(cause instanceof Error)) return failed(error);
  const named = /^(?:Parser|Binder|Catalog) Error: ([^\n]*(?:\n(?!\n|LINE)[^\n]*)*)/.exec(cause.message);
  if (named !== null) {
    return new LakeError("invalid-input", "query/sql-invalid", named[1]!.trim(), { cause });
  }
  return failed(cause);
}

/** The statement needs more than one statement may have. */
export function tooBig(what: "memory" | "disk"): LakeError {
  return new LakeError(
    "invalid-input",
    "query/sql-too-big",
    `The statement needs more ${what} than one statement may have here; filter earlier, select fewer columns, or aggregate.`,
  );
}

/** The statement took longer than it may. */
export function tooLong(deadlineMs: number): LakeError {
  return new LakeError(
    "invalid-input",
    "query/sql-too-long",
    `The statement took longer than ${deadlineMs / 1000} s and was stopped; filter earlier, aggregate, or run it as a job (POST /jobs), which may take longer.`,
  );
}

/** Somebody did not want the answer any more. */
export function cancelled(): LakeError {
  return new LakeError("conflict", "query/sql-cancelled", "The statement was cancelled.");
}

/** The process is gone, and nobody here ended it. */
export function crashed(): LakeError {
  return new LakeError(
    "invalid-input",
    "query/sql-crashed",
    "The engine broke down over this statement, most likely for want of memory; simplify it. Nothing else was harmed.",
  );
}
