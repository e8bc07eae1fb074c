import { LakeError } from "#kernel";

/**
 * The engine's error as ours. The engine's text is kept as `cause` only: it may quote data (PHI) and paths.
 * Codes: `duckdb/out-of-memory`, `duckdb/interrupted`, `duckdb/disk-full`, `duckdb/io`, `duckdb/detached`, `duckdb/query-failed`.
 */
export function mapDuckDbError(error: unknown): LakeError {
  if (error instanceof LakeError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/^Out of Memory Error/i.test(text)) {
    return new LakeError(
      "unavailable",
      "duckdb/out-of-memory",
      "The query needs more memory than the memory limit allows; raise --memory-limit or ask for less at once.",
      { cause: error, retryable: true },
    );
  }
  if (/^INTERRUPT Error|Interrupted/i.test(text)) {
    return new LakeError("unavailable", "duckdb/interrupted", "The query was cancelled.", { cause: error });
  }
  if (/No space left on device|Disk quota exceeded|Could not write all bytes/i.test(text)) {
    return new LakeError(
      "unavailable",
      "duckdb/disk-full",
      "The disk is full; free space and run the command again, nothing committed was changed.",
      { cause: error, retryable: true },
    );
  }
  if (/^IO Error/i.test(text)) {
    return new LakeError(
      "unavailable",
      "duckdb/io",
      "The engine could not read or write a file of the lake.",
      {
        cause: error,
      },
    );
  }
  if (/^Binder Error: .*\b_lake_\w+\b.* (does not exist|was not attached)/.test(text)) {
    return new LakeError(
      "unavailable",
      "duckdb/detached",
      "What was read has been removed from the engine meanwhile; ask again.",
      { cause: error, retryable: true },
    );
  }
  return new LakeError("internal", "duckdb/query-failed", "The engine refused or failed a statement.", {
    cause: error,
  });
}
