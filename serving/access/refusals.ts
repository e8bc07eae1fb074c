import { LakeError } from "#kernel";

/** A 401. `isWrong` when a credential was given that does not hold; its reason is never told, since it would help to make one that does. */
export function unauthenticated(isWrong: boolean): LakeError {
  return new LakeError(
    "invalid-input",
    "serving/unauthenticated",
    isWrong
      ? "The credential does not hold: it is wrong, has ended, was revoked or is meant for another server."
      : "Say who you are: send Authorization: Bearer with an API key (fhir-lake keys create) or an access token.",
    { details: { credential: isWrong ? "invalid" : "missing" } },
  );
}

/** A 403 that names what is lacking. */
export function forbidden(message: string, details: Readonly<Record<string, unknown>> = {}): LakeError {
  return new LakeError("invalid-input", "serving/forbidden", message, { details });
}

/** A 429. */
export function tooMany(message: string, retryAfterSeconds: number): LakeError {
  return new LakeError("unavailable", "serving/too-many-requests", message, {
    retryable: true,
    details: { retryAfterSeconds: Math.max(1, Math.ceil(retryAfterSeconds)) },
  });
}
