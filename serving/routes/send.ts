import type { Freshness } from "#query";
import type { ServingContext } from "../context.js";
import { entityTag, matches } from "../http/conditional.js";
import { freshnessHeaders } from "../http/freshness.js";

/** Headers that every answer from the lake carries. */
export function answerHeaders(freshness: Freshness): Record<string, string> {
  return {
    ...freshnessHeaders(freshness),
    // An answer may be kept by its reader alone, and asked after each time it is used: the newest snapshot moves on.
    "Cache-Control": "private, no-cache",
    Vary: "Accept, Authorization, X-API-Key, X-Lake-Role",
  };
}

/** The 304 answer when the client holds these very bytes already, else undefined. */
export function notModified(context: ServingContext, headers: Record<string, string>): Response | undefined {
  const tag = headers["ETag"];
  if (tag === undefined || !matches(context.req.header("If-None-Match"), tag)) return undefined;
  return new Response(null, { status: 304, headers });
}

/** What is the same for everybody until the next release: pages, style sheets, scripts. */
export function fixed(context: ServingContext, release: string, contentType: string, body: string): Response {
  const headers = {
    "Content-Type": contentType,
    "Cache-Control": "no-cache",
    ETag: entityTag(release, body),
  };
  return notModified(context, headers) ?? new Response(body, { headers });
}

/** A small document made from a snapshot, with its headers, entity tag and 304. */
export function sendDocument(
  context: ServingContext,
  freshness: Freshness,
  release: string,
  document: { readonly contentType: string; readonly body: string },
): Response {
  const headers = {
    ...answerHeaders(freshness),
    "Content-Type": document.contentType,
    ETag: entityTag(release, document.contentType, document.body),
  };
  return notModified(context, headers) ?? new Response(document.body, { headers });
}

/** JSON text for people and machines alike. */
export function prettyJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
