import { bundleText, historyEntry } from "../bundle.js";
import type { FhirRequest } from "../context.js";
import { prettyJson } from "../json-text.js";
import { FhirRefusal, fhirJson } from "../outcome.js";
import { instantValue } from "../search/time-range.js";
import type { ServerContext } from "../server-context.js";
import type { StoredVersion } from "../store.js";
import { notSupported } from "./read.js";

/** `_history` of an instance, a type or the whole system: newest first, deletes included, `_since` inclusive. */
export function readHistory(
  context: ServerContext,
  request: FhirRequest,
  type: string | undefined,
  id: string | undefined,
): Response {
  const level = id !== undefined ? "instance" : type !== undefined ? "type" : "system";
  if (!context.profile.history.includes(level)) throw notSupported(`_history of the ${level}`);
  const sinceText = request.query.get("_since");
  const since = sinceText === null ? undefined : instantValue("_since", sinceText);
  const pageSize = Math.min(
    Number(request.query.get("_count") ?? context.profile.defaultPageSize) || context.profile.defaultPageSize,
    context.profile.largestPageSize,
  );
  const select = () => {
    const all = id === undefined ? [...context.store.all(type)] : [...context.store.versions(type!, id)];
    return newestFirst(since === undefined ? all : all.filter((version) => version.at >= since));
  };
  if (id !== undefined && context.store.current(type!, id) === undefined)
    throw new FhirRefusal(404, "not-found", `There is no such ${type}.`);
  const self = `${context.base}/${request.segments.join("/")}${request.query.size > 0 ? `?${request.query}` : ""}`;
  const stored = context.profile.paging === "snapshot" ? select() : undefined;
  const now = context.clock.now();
  const text = context.pages.first(context.base, (offset, link) => {
    const versions = stored ?? select();
    const next = offset + pageSize;
    return bundleText({
      type: "history",
      lastUpdated: now,
      total: versions.length,
      links: [
        { relation: "self", url: offset === 0 ? self : link(offset) },
        ...(next < versions.length ? [{ relation: "next", url: link(next) }] : []),
      ],
      entries: versions
        .slice(offset, next)
        .map((version) => historyEntry(context.base, version, context.profile.historyEntries)),
    });
  });
  return fhirJson(context.profile.prettyPrint ? prettyJson(Buffer.from(text)) : text);
}

function newestFirst(versions: StoredVersion[]): StoredVersion[] {
  return versions.sort((a, b) => b.at - a.at || b.sequence - a.sequence);
}
