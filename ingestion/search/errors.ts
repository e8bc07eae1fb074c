import { LakeError } from "#kernel";

/** Codes of the errors that fetching by search, history and reading throw; requests themselves throw those of `ingestion/http`. */
export type SearchErrorCode =
  | "source/no-clock"
  | "source/bad-since"
  | "source/not-a-bundle"
  | "source/page-loop"
  | "source/search-refused"
  | "source/pages-expired"
  | "source/too-many-deletes"
  | "source/bad-id-list";

/** Neither the Bundle nor the headers say what time the server has. */
export function noClock(): LakeError {
  return new LakeError(
    "unsupported",
    "source/no-clock",
    "The server tells no time: neither Bundle.meta.lastUpdated nor a Date header came with its answer, so no window of changes can be closed. Use bulk export for this source.",
  );
}

/** The answer is JSON but no Bundle. `what` names the request without ids and values. */
export function notABundle(what: string): LakeError {
  return new LakeError(
    "unavailable",
    "source/not-a-bundle",
    `The server answered ${what} with something other than a Bundle; check the source's base URL.`,
    { retryable: true },
  );
}

/** Next links lead round in circles. */
export function pageLoop(type: string): LakeError {
  return new LakeError(
    "unavailable",
    "source/page-loop",
    `The next pages of ${type} repeat themselves without end; this is a fault of the server, nothing of the type was taken.`,
    { details: { type } },
  );
}

/** The server does not do the search that fetching needs. */
export function searchRefused(what: string, status: number): LakeError {
  return new LakeError(
    "unsupported",
    "source/search-refused",
    `The server refuses ${what} (status ${status}); run 'fhir-lake source test' to see what it can do.`,
    { details: { status } },
  );
}

/** Next links expired again and again before a window could be read to its end. */
export function pagesExpired(type: string): LakeError {
  return new LakeError(
    "unavailable",
    "source/pages-expired",
    `The pages of ${type} expired again and again before they could be read; use a smaller page size or less concurrency for this source.`,
    { details: { type }, retryable: true },
  );
}
