import { bundleText, matchEntry } from "../bundle.js";
import type { FhirRequest } from "../context.js";
import { prettyJson } from "../json-text.js";
import { fhirJson } from "../outcome.js";
import { elementsFor } from "../search/elements.js";
import { countQuery, parseQuery, runQuery, type SearchQuery } from "../search/query.js";
import type { ServerContext } from "../server-context.js";

/** Answers of searches that may be given again for an identical URL. */
export type RecentSearches = Map<string, { readonly text: string; readonly until: number }>;

const recent = new WeakMap<ServerContext, RecentSearches>();

/** GET [type], POST [type]/_search, or GET [base] (all types): a searchset Bundle, in pages. */
export async function searchResources(
  context: ServerContext,
  request: FhirRequest,
  type: string | undefined,
): Promise<Response> {
  const strict = request.headers.get("prefer")?.includes("handling=strict") === true;
  const query = parseQuery(await parametersOf(request), context.profile, strict);
  const types = type === undefined ? context.store.types() : [type];
  const self = selfLink(context, type, query);
  const text = reusable(context, request, self) ?? firstPage(context, types, query, self);
  remember(context, self, text);
  return fhirJson(context.profile.prettyPrint ? prettyJson(Buffer.from(text)) : text);
}

/** The parameters of the URL, then those of a form. */
async function parametersOf(request: FhirRequest): Promise<[string, string][]> {
  const parameters = [...request.query.entries()];
  if (request.method !== "POST") return parameters;
  return [...parameters, ...new URLSearchParams((await request.body()).toString()).entries()];
}

function selfLink(context: ServerContext, type: string | undefined, query: SearchQuery): string {
  const used = new URLSearchParams(query.used.map(([name, value]): [string, string] => [name, value]));
  return `${context.base}${type === undefined ? "" : `/${type}`}${used.size > 0 ? `?${used}` : ""}`;
}

function firstPage(
  context: ServerContext,
  types: readonly string[],
  query: SearchQuery,
  self: string,
): string {
  const select = () => runQuery(context.store, types, query);
  const now = context.clock.now();
  if (query.countOnly) {
    const links = [{ relation: "self", url: self }];
    const total = countQuery(context.store, types, query);
    return bundleText({ type: "searchset", lastUpdated: now, total, links, entries: [] });
  }
  const stored = context.profile.paging === "snapshot" ? select() : undefined;
  return context.pages.first(context.base, (offset, link) => {
    const found = stored ?? select();
    const next = offset + query.pageSize;
    return bundleText({
      type: "searchset",
      lastUpdated: now,
      total: query.total === "none" ? undefined : found.length,
      links: [
        { relation: "self", url: offset === 0 ? self : link(offset) },
        ...(next < found.length ? [{ relation: "next", url: link(next) }] : []),
      ],
      entries: found
        .slice(offset, next)
        .map((version) => matchEntry(context.base, version, elementsFor(version.type, query.elements))),
    });
  });
}

function reusable(context: ServerContext, request: FhirRequest, self: string): string | undefined {
  if (request.headers.get("cache-control")?.includes("no-cache") === true) return undefined;
  const entry = recent.get(context)?.get(self);
  return entry !== undefined && context.clock.now() < entry.until ? entry.text : undefined;
}

function remember(context: ServerContext, self: string, text: string): void {
  if (context.profile.reuseSearchMs === 0) return;
  let searches = recent.get(context);
  if (searches === undefined) {
    searches = new Map();
    recent.set(context, searches);
  }
  const known = searches.get(self);
  if (known?.text === text) return;
  searches.set(self, { text, until: context.clock.now() + context.profile.reuseSearchMs });
}
