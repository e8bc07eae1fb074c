import type { FhirRequest } from "../context.js";
import { prettyJson } from "../json-text.js";
import { FhirRefusal, fhirJson } from "../outcome.js";
import type { ServerContext } from "../server-context.js";
import type { StoredVersion } from "../store.js";

/** Read, vread and what writes answer with. */
export function readResource(
  context: ServerContext,
  request: FhirRequest,
  type: string,
  id: string,
): Response {
  const current = context.store.current(type, id);
  if (current === undefined) throw new FhirRefusal(404, "not-found", `There is no such ${type}.`);
  if (current.text === undefined) {
    throw new FhirRefusal(410, "deleted", `This ${type} was deleted.`, {
      etag: `W/"${current.version}"`,
      "last-modified": new Date(current.at).toUTCString(),
    });
  }
  if (request.headers.get("if-none-match")?.includes(`"${current.version}"`) === true)
    return new Response(null, { status: 304, headers: versionHeaders(context, current) });
  return resourceResponse(context, current, 200);
}

/** A version by its number. */
export function readVersion(context: ServerContext, type: string, id: string, version: string): Response {
  if (!context.profile.vread) throw notSupported("vread");
  const found = context.store.versions(type, id).find((one) => String(one.version) === version);
  if (found === undefined) throw new FhirRefusal(404, "not-found", "There is no such version.");
  if (found.text === undefined) throw new FhirRefusal(410, "deleted", "This version is a delete.");
  return resourceResponse(context, found, 200);
}

/** The refusal of an interaction that the profile lacks. */
export function notSupported(what: string): FhirRefusal {
  return new FhirRefusal(404, "not-supported", `This server does not support ${what}.`);
}

/** A resource with its version headers. */
export function resourceResponse(context: ServerContext, version: StoredVersion, status: number): Response {
  const text = version.text?.read() ?? Buffer.from("");
  return fhirJson(context.profile.prettyPrint ? prettyJson(text) : text, {
    status,
    headers: versionHeaders(context, version),
  });
}

/** ETag, Last-Modified and (after a write) Location of a version. */
export function versionHeaders(
  context: ServerContext,
  version: StoredVersion,
  location = false,
): Record<string, string> {
  if (!context.profile.meta) return {};
  return {
    etag: `W/"${version.version}"`,
    "last-modified": new Date(version.at).toUTCString(),
    ...(location
      ? { location: `${context.base}/${version.type}/${version.id}/_history/${version.version}` }
      : {}),
  };
}
