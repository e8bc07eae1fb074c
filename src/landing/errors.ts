import { LakeError } from "#kernel";

/** Codes of the errors this module throws. */
export type LandingErrorCode =
  | "landing/bad-manifest"
  | "landing/unknown-version"
  | "landing/no-manifest"
  | "landing/bad-record"
  | "landing/position-range";

/** A landing folder that holds something its own writer cannot have written. */
export function corruptLanding(code: LandingErrorCode, message: string, cause?: unknown): LakeError {
  return new LakeError("corrupt-data", code, message, { cause });
}
