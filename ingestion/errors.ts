import { LakeError } from "#kernel";

/** Codes of the errors this module throws. */
export type IngestionErrorCode =
  | "ingestion/input-not-found"
  | "ingestion/unreadable-input"
  | "ingestion/no-input"
  | "ingestion/input-too-big"
  | "ingestion/read-failed"
  | "ingestion/too-many-quarantined"
  | "ingestion/aborted"
  | "ingestion/bad-transaction-time"
  | "ingestion/worker-failed";

/** An input path that cannot be opened or listed. */
export function unreadable(place: string, cause: unknown): LakeError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "unknown";
  if (code === "ENOENT") {
    return new LakeError("not-found", "ingestion/input-not-found", `There is no file or folder '${place}'.`, {
      cause,
    });
  }
  const reason =
    code === "EACCES" || code === "EPERM"
      ? "permission denied; check its owner and mode"
      : `the operating system says ${code}`;
  return new LakeError(
    "invalid-input",
    "ingestion/unreadable-input",
    `'${place}' cannot be read: ${reason}.`,
    { details: { code }, cause },
  );
}

/** A read that failed after the input was opened. */
export function readFailed(place: string, cause: unknown): LakeError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "unknown";
  return new LakeError(
    "unavailable",
    "ingestion/read-failed",
    `Reading '${place}' failed (${code}); nothing was committed, run the command again.`,
    { details: { code }, cause, retryable: true },
  );
}

/** The caller's signal stopped the run. */
export function aborted(): LakeError {
  return new LakeError(
    "unavailable",
    "ingestion/aborted",
    "The ingestion was stopped; nothing was committed.",
    {
      retryable: true,
    },
  );
}
