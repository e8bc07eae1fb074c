import { LakeError } from "#kernel";

/** Codes of the errors this module throws. */
export type ConfigErrorCode =
  | "config/not-found"
  | "config/unreadable"
  | "config/not-json"
  | "config/invalid"
  | "config/missing-secret"
  | "config/unknown-source";

/** A secret that is referred to but is not there; names the reference, never a value. */
export function missingSecret(where: string, reference: string, cause?: unknown): LakeError {
  return new LakeError(
    "invalid-input",
    "config/missing-secret",
    `The configuration's ${where} takes its secret from ${reference}, which is not set or empty; set it and run again.`,
    { cause },
  );
}
