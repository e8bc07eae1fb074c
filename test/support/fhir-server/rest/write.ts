import type { FhirRequest } from "../context.js";
import { FhirRefusal } from "../outcome.js";
import { parseQuery, runQuery } from "../search/query.js";
import type { ServerContext } from "../server-context.js";
import type { StoredVersion } from "../store.js";
import { resourceResponse, versionHeaders } from "./read.js";

/** POST [type]: create, with If-None-Exist. */
export async function createResource(
  context: ServerContext,
  request: FhirRequest,
  type: string,
): Promise<Response> {
  const condition = request.headers.get("if-none-exist");
  if (condition !== null) {
    const query = parseQuery(new URLSearchParams(condition), context.profile, true);
    const [found, second] = runQuery(context.store, [type], query);
    if (second !== undefined)
      throw new FhirRefusal(412, "multiple-matches", "More than one resource meets If-None-Exist.");
    if (found !== undefined) return resourceResponse(context, found, 200);
  }
  const body = await request.body();
  if (type === "Subscription") context.subscriptions.check(body);
  return written(context, request, context.store.create(type, body), 201);
}

/** PUT [type]/[id]: update, or create under this id; with If-Match. */
export async function updateResource(
  context: ServerContext,
  request: FhirRequest,
  type: string,
  id: string,
): Promise<Response> {
  const body = await request.body();
  if (type === "Subscription") context.subscriptions.check(body);
  const existed = context.store.current(type, id)?.text !== undefined;
  const version = context.store.put(type, id, body, {
    ifMatch: request.headers.get("if-match") ?? undefined,
  });
  return written(context, request, version, existed ? 200 : 201);
}

/** DELETE [type]/[id]: 204 also when there is nothing (any more). */
export function deleteResource(
  context: ServerContext,
  request: FhirRequest,
  type: string,
  id: string,
): Response {
  const version = context.store.delete(type, id, { ifMatch: request.headers.get("if-match") ?? undefined });
  const headers = version === undefined || !context.profile.meta ? {} : { etag: `W/"${version.version}"` };
  return new Response(null, { status: 204, headers });
}

function written(
  context: ServerContext,
  request: FhirRequest,
  version: StoredVersion,
  status: number,
): Response {
  const headers = versionHeaders(context, version, true);
  const minimal = request.headers.get("prefer")?.includes("return=minimal") === true;
  if (minimal) return new Response(null, { status, headers });
  const response = resourceResponse(context, version, status);
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}
