/** The one place that turns errors into HTTP answers: RFC 9457 problem documents, without stack, PHI, SQL or engine text. */
import { type ErrorKind, isLakeError, LakeError } from "#kernel";

const statusByKind: Readonly<Record<ErrorKind, number>> = {
  "invalid-input": 400,
  unsupported: 501,
  "not-found": 404,
  conflict: 409,
  unavailable: 503,
  "corrupt-data": 500,
  internal: 500,
};

/** Codes whose status says more than their kind does. */
const statusByCode: ReadonlyMap<string, number> = new Map([
  ["serving/unauthenticated", 401],
  ["serving/forbidden", 403],
  ["serving/too-many-requests", 429],
  ["serving/not-acceptable", 406],
  ["serving/method-not-allowed", 405],
  ["serving/wrong-host", 421],
  ["serving/not-json", 415],
  ["serving/body-too-large", 413],
  ["serving/bad-range", 416],
  ["serving/job-gone", 410],
  ["lake/snapshot-gone", 410],
  ["query/cursor-gone", 410],
  ["query/as-of-gone", 410],
  ["lake/pin-released", 410],
]);

const titles: Readonly<Record<number, string>> = {
  400: "The question cannot be answered as it stands",
  401: "Who are you?",
  403: "Not allowed",
  404: "Not found",
  405: "Method not allowed",
  406: "No such format",
  409: "Conflict",
  410: "No longer available",
  413: "Too large",
  415: "Not JSON",
  416: "No such part",
  421: "Wrong host",
  429: "Too much at once",
  500: "The server failed",
  501: "Not supported",
  503: "Not available just now",
};

/** How long a client should wait before it asks again, in seconds. */
const RETRY_AFTER_SECONDS = "5";

/** The HTTP status for an error; 500 for anything that was not thrown on purpose. */
export function statusOf(error: unknown): number {
  if (!isLakeError(error)) return 500;
  return statusByCode.get(error.code) ?? statusByKind[error.kind];
}

function problem(error: unknown, status: number, requestId: string): Record<string, unknown> {
  const base = { title: titles[status] ?? "Error", status, requestId };
  if (!isLakeError(error)) {
    return {
      type: "urn:fhir-lake:error:serving/unexpected",
      ...base,
      detail: "An unexpected error happened. The server's log has more under this request id.",
    };
  }
  const told = status < 500 ? error.details : {};
  return { type: `urn:fhir-lake:error:${error.code}`, ...base, detail: error.message, ...told };
}

/** The ways to say who one is (RFC 9110, 11.6.1; RFC 6750, 3). */
function challenge({ details }: LakeError): string {
  const wrong = details["credential"] === "invalid" ? ', error="invalid_token"' : "";
  return `Bearer realm="fhir-lake"${wrong}, Basic realm="fhir-lake", charset="UTF-8"`;
}

function retryAfter(error: unknown): string {
  const seconds = isLakeError(error) ? error.details["retryAfterSeconds"] : undefined;
  return typeof seconds === "number" ? String(seconds) : RETRY_AFTER_SECONDS;
}

function allowedMethods({ details }: LakeError): string {
  const { allowed } = details;
  return Array.isArray(allowed) ? allowed.join(", ") : "GET, HEAD";
}

/** The answer for an error: `application/problem+json` with the request id and the headers that belong to its status. */
export function errorResponse(error: unknown, requestId: string): Response {
  const status = statusOf(error);
  const headers = new Headers({ "Content-Type": "application/problem+json", "Cache-Control": "no-store" });
  if (status === 503 || status === 429) headers.set("Retry-After", retryAfter(error));
  if (status === 401 && isLakeError(error)) headers.set("WWW-Authenticate", challenge(error));
  if (status === 405 && isLakeError(error)) headers.set("Allow", allowedMethods(error));
  return new Response(`${JSON.stringify(problem(error, status, requestId))}\n`, { status, headers });
}

/** A bad request that only HTTP can have; `code` without its module. */
export function badRequest(
  code: string,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): LakeError {
  return new LakeError("invalid-input", `serving/${code}`, message, { details });
}
