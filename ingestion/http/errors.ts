import { LakeError } from "#kernel";
import { describeIssues, type OutcomeIssue } from "./outcome.js";
import { isRetryable } from "./retry.js";

/** Codes of the errors that asking a source can end with. */
export type SourceErrorCode =
  | "source/bad-settings"
  | "source/unauthorized"
  | "source/forbidden"
  | "source/gone"
  | "source/throttled"
  | "source/unavailable"
  | "source/refused"
  | "source/redirect"
  | "source/foreign-url"
  | "source/private-address"
  | "source/tls"
  | "source/token"
  | "source/not-json"
  | "source/answer-too-big"
  | "source/bad-encoding"
  | "source/damaged-file"
  | "source/aborted"
  | "source/bad-manifest"
  | "source/export-failed"
  | "source/export-lost"
  | "source/export-deadline"
  | "source/subsetted"
  | "source/damaged-state";

/** A setting of a source that cannot be used. */
export function badSettings(message: string, cause?: unknown): LakeError {
  return new LakeError("invalid-input", "source/bad-settings", message, { cause });
}

/** The caller's signal stopped the work. What was finished stays for the next time. */
export function sourceAborted(cause?: unknown): LakeError {
  const message = "Fetching was stopped; what is complete is kept, run the command again to continue.";
  return new LakeError("unavailable", "source/aborted", message, { retryable: true, cause });
}

/** What a status says, and what to do. `what` is the request without ids and query, e.g. `GET Patient/[id]`. */
export function statusError(
  status: number,
  what: string,
  answer: {
    readonly issues: readonly OutcomeIssue[];
    readonly echo: boolean;
    readonly retryAfter: string | null;
  },
): LakeError {
  const said = describeIssues(answer.issues, answer.echo);
  const { kind, code, advice } = meaningOf(status);
  const details = {
    status,
    issues: answer.issues.map(({ severity, code }) => ({ severity, code })),
    ...(answer.retryAfter === null ? {} : { retryAfter: answer.retryAfter.slice(0, 64) }),
  };
  return new LakeError(
    kind,
    code,
    `The server answered ${what} with status ${status}${said === "" ? "" : ` (${said})`}; ${advice}.`,
    { details, retryable: isRetryable(status) },
  );
}

function meaningOf(status: number): {
  kind: "invalid-input" | "not-found" | "unavailable";
  code: SourceErrorCode;
  advice: string;
} {
  if (status === 401) {
    const advice = "it does not take the credentials, check the source's auth settings";
    return { kind: "invalid-input", code: "source/unauthorized", advice };
  }
  if (status === 403) {
    const advice = "the credentials do not allow it, check the scopes or rights granted to this client";
    return { kind: "invalid-input", code: "source/forbidden", advice };
  }
  if (status === 404 || status === 410) {
    const advice = "it is not there (any more), check the base URL and what the server supports";
    return { kind: "not-found", code: "source/gone", advice };
  }
  if (status === 429) {
    const advice = "it asks for fewer requests, lower the source's concurrency or raise its interval";
    return { kind: "unavailable", code: "source/throttled", advice };
  }
  if (isRetryable(status)) {
    return { kind: "unavailable", code: "source/unavailable", advice: "try again when it is well" };
  }
  const advice = "it refuses the request, check what the server supports";
  return { kind: "invalid-input", code: "source/refused", advice };
}

const TLS_CODES = /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO$)/;

/** The code that names a failure of the network, deepest cause first. */
function networkCode(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    const code = (e as NodeJS.ErrnoException).code;
    if (e instanceof AggregateError && code === undefined) {
      const inner = networkCode(e.errors[0]);
      if (inner !== undefined) return inner;
    }
    if (e.name === "HTTPParserError") return code ?? "HTTP_PARSER";
    if (typeof code === "string" && (code !== "UND_ERR_SOCKET" || e.cause === undefined)) return code;
  }
  return undefined;
}

/**
 * A failure of the connection as ours. Own errors pass; anything without a code is a fault of the program and passes too.
 */
export function connectionError(error: unknown, what: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof LakeError) return error;
  if (signal?.aborted === true) return sourceAborted(error);
  const code = networkCode(error);
  if (code === undefined) return error;
  if (TLS_CODES.test(code)) {
    return new LakeError(
      "unavailable",
      "source/tls",
      `No secure connection for ${what} (${code}); give the server's certificate authority as the source's CA file, and a client certificate if it asks for one.`,
      { details: { code }, cause: error },
    );
  }
  return new LakeError(
    "unavailable",
    "source/unavailable",
    `No complete answer to ${what} (${code}); check the server, the network and the proxy settings.`,
    { details: { code }, cause: error, retryable: true },
  );
}
