/** Why a piece of input was refused. Stable codes: people filter and count by them. */
export type ReasonCode =
  | "invalid-json"
  | "truncated"
  | "truncated-gzip"
  | "corrupt-gzip"
  | "invalid-utf8"
  | "control-character"
  | "lone-surrogate"
  | "duplicate-key"
  | "non-finite-number"
  | "number-out-of-range"
  | "too-deep"
  | "too-large"
  | "not-a-resource"
  | "unknown-resource-type"
  | "missing-id"
  | "invalid-id"
  | "invalid-version-id"
  | "invalid-last-updated"
  | "wrong-kind"
  | "unsupported-request";

/**
 * The refusal of one piece of input, thrown by the scanner and caught by whoever hands it lines. Deliberately not an
 * Error: it is ordinary data that never leaves the ingestion, and a stack trace per bad line would cost more than the scan.
 */
export class Rejection {
  readonly code: ReasonCode;
  /** One sentence for people; it never holds text from the data. */
  readonly message: string;
  /** Byte in the scanned buffer at which the trouble was noticed. */
  readonly at: number;

  constructor(code: ReasonCode, message: string, at: number) {
    this.code = code;
    this.message = message;
    this.at = at;
  }
}
