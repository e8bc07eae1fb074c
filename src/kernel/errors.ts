/** What went wrong, in terms a caller can act on. Exit codes and HTTP statuses are derived from it. */
export type ErrorKind =
  | "invalid-input"
  | "unsupported"
  | "not-found"
  | "conflict"
  | "unavailable"
  | "corrupt-data"
  | "internal";

/** Options of {@link LakeError}; `details` must never hold PHI, because errors are logged. */
export interface LakeErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>;
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/**
 * The base of every error that the product throws on purpose.
 * `code` is `module/what-happened` and is stable; `message` is one sentence that says what to do.
 */
export class LakeError extends Error {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(kind: ErrorKind, code: string, message: string, options: LakeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LakeError";
    this.kind = kind;
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

/** True when `error` was thrown by the product on purpose (and, with `code`, is that very error). */
export function isLakeError(error: unknown, code?: string): error is LakeError {
  return error instanceof LakeError && (code === undefined || error.code === code);
}

/** The end of an exhaustive `switch`: reaching it is a programming error. */
export function assertNever(value: never, what: string): never {
  throw new LakeError(
    "internal",
    "kernel/unexpected-variant",
    `Unexpected ${what}: ${JSON.stringify(value)}`,
  );
}
