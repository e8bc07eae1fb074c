import { isLakeError } from "#kernel";
import type { FhirHttp } from "../http/index.js";
import { searchRefused } from "./errors.js";
import { cutValue, onOneLine } from "./page-text.js";
import { instantMs } from "./search-instant.js";
import { SourceClient } from "./source-client.js";
import { TypeSearch } from "./window.js";

/** Which resource to read. */
export interface ReadRequest {
  readonly http: FhirHttp;
  readonly type: string;
  readonly id: string;
  readonly signal?: AbortSignal;
}

/** What a read found: a resource (`text` on one line, as the server wrote it), a deleted one, none, or none for us. */
export type ReadResult =
  | { readonly kind: "live"; readonly text: string }
  | {
      readonly kind: "gone" | "absent";
      /** The server's clock when it answered, rounded down to a second; undefined when it does not tell. */
      readonly serverMs: number | undefined;
    }
  | { readonly kind: "hidden" };

/** Reads one resource: 200 is live, 410 gone, 404 absent, 403 hidden. Errors: `source/search-refused` for other refusals. */
export async function readResource(request: ReadRequest): Promise<ReadResult> {
  const client = new SourceClient(request.http, request.signal);
  const answer = await client.read(request.type, request.id);
  switch (answer.status) {
    case 200:
      return { kind: "live", text: onOneLine(cutValue(answer.text)) };
    case 404:
      return { kind: "absent", serverMs: headerTime(answer.headers) };
    case 410:
      return { kind: "gone", serverMs: headerTime(answer.headers) };
    case 403:
      return { kind: "hidden" };
    default:
      throw searchRefused(`a read of one ${request.type}`, answer.status);
  }
}

function headerTime(headers: Headers): number | undefined {
  const time = Date.parse(headers.get("date") ?? "");
  return Number.isNaN(time) ? undefined : time;
}

/** What to count. */
export interface CountRequest {
  readonly http: FhirHttp;
  readonly type: string;
  /** FHIR instant: only what was last updated before it. */
  readonly until?: string | undefined;
  readonly signal?: AbortSignal;
}

/**
 * How many resources of a type the source has; undefined when it does not count or does not let us search the type. With `until`, also
 * undefined when it cannot search by time.
 */
export async function countType(request: CountRequest): Promise<number | undefined> {
  const search = new TypeSearch(new SourceClient(request.http, request.signal), request.type, 1);
  try {
    const until = instantMs(request.until);
    return (await search.count({ from: undefined, to: until })).total;
  } catch (error) {
    if (isLakeError(error, "source/search-refused")) return undefined;
    throw error;
  }
}
