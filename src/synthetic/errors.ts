import { LakeError } from "#kernel";

/** Codes of the errors that this module throws. */
export type SyntheticErrorCode =
  | "synthetic/bad-option"
  | "synthetic/output-not-empty"
  | "synthetic/write-failed";

/** An option that cannot be used as given; the message says which values can. */
export function badOption(message: string, details: Readonly<Record<string, unknown>>): LakeError {
  return new LakeError("invalid-input", "synthetic/bad-option" satisfies SyntheticErrorCode, message, {
    details,
  });
}

/** The output folder holds files already, and nobody asked to replace them. */
export function outputNotEmpty(outDir: string): LakeError {
  return new LakeError(
    "conflict",
    "synthetic/output-not-empty" satisfies SyntheticErrorCode,
    `The folder '${outDir}' is not empty: name another folder, empty it, or ask for it to be overwritten.`,
    { details: { outDir } },
  );
}

/** A file of the population could not be written; retryable, because room can be made. */
export function writeFailed(file: string, cause: unknown): LakeError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LakeError(
    "unavailable",
    "synthetic/write-failed" satisfies SyntheticErrorCode,
    `Could not write '${file}' (${reason}): check the free space and the permissions of the folder, then generate again.`,
    { details: { file }, cause, retryable: true },
  );
}
