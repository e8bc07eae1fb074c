import { instant } from "./clock.js";
import { subsetted } from "./search/elements.js";
import type { StoredVersion } from "./store.js";

/** An entry of a Bundle; the resource is JSON text. */
export interface BundleEntry {
  readonly fullUrl?: string;
  readonly resource?: Buffer | string;
  readonly search?: { readonly mode: "match" | "include" | "outcome" };
  readonly request?: { readonly method: string; readonly url: string };
  readonly response?: Readonly<Record<string, string>>;
}

/** The parts of a Bundle. */
export interface BundleParts {
  readonly type:
    | "searchset"
    | "history"
    | "subscription-notification"
    | "transaction"
    | "transaction-response"
    | "batch-response";
  readonly lastUpdated?: number;
  readonly total?: number | undefined;
  readonly links?: readonly { readonly relation: string; readonly url: string }[];
  readonly entries: readonly BundleEntry[];
}

/** The text of a Bundle, with the texts of its resources as they are. */
export function bundleText(parts: BundleParts): string {
  const head: Record<string, unknown> = { resourceType: "Bundle" };
  if (parts.lastUpdated !== undefined) head["meta"] = { lastUpdated: instant(parts.lastUpdated) };
  head["type"] = parts.type;
  if (parts.total !== undefined) head["total"] = parts.total;
  if (parts.links !== undefined) head["link"] = parts.links;
  const entries = parts.entries.map(entryText);
  const open = JSON.stringify(head).slice(0, -1);
  return entries.length === 0 ? `${open}}` : `${open},"entry":[${entries.join(",")}]}`;
}

function entryText(entry: BundleEntry): string {
  const { fullUrl, resource, ...rest } = entry;
  const members: string[] = [];
  if (fullUrl !== undefined) members.push(`"fullUrl":${JSON.stringify(fullUrl)}`);
  if (resource !== undefined) members.push(`"resource":${resource.toString()}`);
  for (const [name, value] of Object.entries(rest)) members.push(`"${name}":${JSON.stringify(value)}`);
  return `{${members.join(",")}}`;
}

/** A match of a search, as an entry. */
export function matchEntry(
  base: string,
  version: StoredVersion,
  elements?: ReadonlySet<string>,
): BundleEntry {
  const text = version.text?.read() ?? Buffer.from("{}");
  return {
    fullUrl: `${base}/${version.type}/${version.id}`,
    resource: elements === undefined ? text : subsetted(text, elements),
    search: { mode: "match" },
  };
}

/** A version, as an entry of a history (R4 http.html#history): a delete has no resource. */
export function historyEntry(
  base: string,
  version: StoredVersion,
  form: "plain" | "versioned" = "plain",
): BundleEntry {
  const resource = version.text?.read();
  return {
    fullUrl: `${base}/${version.type}/${version.id}`,
    ...(resource === undefined ? {} : { resource }),
    ...(form === "plain" ? plainRequest(version) : versionedRequest(version)),
  };
}

function plainRequest(version: StoredVersion): Pick<BundleEntry, "request" | "response"> {
  const { type, id, method } = version;
  return {
    request: { method, url: method === "POST" ? type : `${type}/${id}` },
    response: {
      status: version.text === undefined ? "204" : version.version === 1 ? "201" : "200",
      etag: `W/"${version.version}"`,
      lastModified: instant(version.at),
    },
  };
}

/** As HAPI 8.8 writes it. */
function versionedRequest(version: StoredVersion): Pick<BundleEntry, "request" | "response"> {
  const first = version.version === 1;
  return {
    request: {
      method: first ? "POST" : version.method,
      url: `${version.type}/${version.id}/_history/${version.version}`,
    },
    response: { status: first ? "201 Created" : "200 OK", etag: `W/"${version.version}"` },
  };
}
