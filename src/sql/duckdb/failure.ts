import type { FailureCode } from "#plan";
import { stringLiteral } from "./quote.js";

/** Marks the engine's error text when data breaks a rule of a view; see `viewDataError` in `#compiler`. */
export const FAILURE_PREFIX = "fhir-lake-view-error";

/** SQL that stops the statement with an error of the data. */
export function failure(code: FailureCode, subject: string): string {
  return `error(${stringLiteral(`${FAILURE_PREFIX}:${code}:${subject};`)})`;
}
