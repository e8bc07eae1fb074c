import { LakeError } from "#kernel";
import { notFound } from "../errors.js";
import type { S3Settings } from "./settings.js";

interface SdkError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** HTTP status of a refused request; undefined when no answer came. */
export function statusOf(error: unknown): number | undefined {
  return (error as SdkError | undefined)?.$metadata?.httpStatusCode;
}

/** S3's name for a failure, such as `NoSuchKey`. */
export function nameOf(error: unknown): string {
  const { name, code } = (error ?? {}) as SdkError;
  return name === undefined || name === "Error" ? (code ?? "Error") : name;
}

/** True when the object (not its bucket) does not exist. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) !== "NoSuchBucket";
}

/** True when the request may have been carried out although no good answer came: server errors, lost connections, timeouts. */
export function isOutcomeUnknown(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== undefined) return status >= 500 || status === 408;
  // Failures before anything is sent have no status either.
  return (
    !/^CredentialsProvider|^ConfigError/.test(nameOf(error)) && !/^Region is missing/.test(textOf(error))
  );
}

function textOf(error: unknown): string {
  return (error as SdkError | undefined)?.message ?? "";
}

/** Only the kind of failure: the answers of a server can repeat key ids and signed strings. */
function causeOf(error: unknown): Error {
  const status = statusOf(error);
  return new Error(`${nameOf(error)}${status === undefined ? "" : ` (HTTP ${status})`}`);
}

const DENIED = /AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken/;

/** An S3 failure as ours, saying what to do. `place` is a key or what else the request was about. */
export function s3Failure(
  settings: Pick<S3Settings, "bucket" | "endpoint">,
  action: string,
  place: string,
  error: unknown,
): LakeError {
  if (error instanceof LakeError) return error;
  const { bucket } = settings;
  const at = settings.endpoint === undefined ? "" : ` at ${new URL(settings.endpoint).host}`;
  const name = nameOf(error);
  const status = statusOf(error);
  const cause = causeOf(error);
  const details = { bucket, place, name, ...(status === undefined ? {} : { status }) };
  const failed = `Could not ${action} '${place}' in the bucket '${bucket}'${at}`;
  const fail = (
    kind: "not-found" | "unavailable" | "invalid-input",
    code: string,
    hint: string,
    retryable = false,
  ) => new LakeError(kind, `storage/${code}`, `${failed}: ${hint}.`, { details, cause, retryable });
  if (name === "NoSuchBucket") {
    return fail("not-found", "no-such-bucket", "there is no such bucket; create it or correct --lake");
  }
  if (isMissing(error)) return notFound(place, cause);
  if (name.startsWith("CredentialsProvider")) {
    return fail(
      "unavailable",
      "no-credentials",
      "no AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run with a role",
    );
  }
  if (/^Region is missing/.test(textOf(error))) {
    return fail("invalid-input", "no-region", "no region is known; set AWS_REGION");
  }
  if (status === 403 || DENIED.test(name)) {
    return fail(
      "unavailable",
      "access-denied",
      "access denied; check the credentials and their rights (s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket)",
    );
  }
  if (status === 301 || status === 307 || name === "AuthorizationHeaderMalformed") {
    return fail("invalid-input", "wrong-region", "the bucket is in another region; set AWS_REGION to it");
  }
  if (status === undefined || status >= 500 || status === 429 || status === 408) {
    const why = status === undefined ? `the server did not answer (${name})` : `the server answers ${status}`;
    return fail("unavailable", "unreachable", `${why}; nothing committed was changed, run it again`, true);
  }
  return fail("unavailable", "io", `the server refuses it (${name}, HTTP ${status})`);
}
