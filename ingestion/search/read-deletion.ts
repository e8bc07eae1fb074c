import type { FhirHttp } from "../http/index.js";
import { searchRefused } from "./errors.js";
import { parsePage } from "./page.js";
import { SourceClient } from "./source-client.js";

/** Statuses of servers that keep no versions of single resources, or none of deleted ones. */
const NOT_TOLD = new Set([400, 403, 404, 405, 406, 410, 422, 501]);

/** The delete that ended a resource, as its own history tells it. */
export interface Deletion {
  readonly versionId: string | undefined;
  /** FHIR instant as the server wrote it. */
  readonly lastUpdated: string | undefined;
}

/**
 * When and as which version a resource was deleted. `"live"`: it is there again. Undefined: the server does not tell. Errors:
 * `source/not-a-bundle`, `source/search-refused` for other refusals, and those of requests.
 */
export async function readDeletion(request: {
  readonly http: FhirHttp;
  readonly type: string;
  readonly id: string;
  readonly signal?: AbortSignal;
}): Promise<Deletion | "live" | undefined> {
  const { http, type, id, signal } = request;
  const answer = await new SourceClient(http, signal).instanceHistory(type, id);
  if (NOT_TOLD.has(answer.status)) return undefined;
  if (answer.status !== 200) throw searchRefused(`the history of one ${type}`, answer.status);
  // Newest first (R4 3.1.0.9); an entry of another resource would be a fault that must not place this one.
  const [newest] = parsePage(answer, `the history of one ${type}`).entries;
  if (newest?.type !== type || newest.id !== id) return undefined;
  if (!newest.deleted) return "live";
  return { versionId: newest.versionId, lastUpdated: newest.timeText };
}
