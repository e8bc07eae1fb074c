import type { Definitions } from "#fhir";
import { parseInstant } from "#landing";
import { type BundleEntry, BundleReader } from "../ndjson/bundle.js";
import { rewriteJson } from "../ndjson/json-text.js";
import { Rejection } from "../quarantine/reason.js";
import type { VersionFacts } from "./record-sink.js";
import type { BundleMode } from "./settings.js";

const LF = 0x0a;
const UUID_URL = /^urn:uuid:([A-Za-z0-9\-.]{1,64})$/i;
const PLAIN_ID = /^[A-Za-z0-9\-.]{1,64}$/;
/** `Patient/1`, also absolute and with a version; no conditional request. */
const RESOURCE_URL =
  /^(?:[^?#]*\/)?([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;
const WEAK_ETAG = /^(?:W\/)?"([\x21\x23-\x7e]{1,128})"$/;

/** Bundles that are envelopes. A document or a message means something as a whole and is stored as one. */
const ENVELOPES = new Set(["transaction", "batch", "collection", "searchset", "history"]);

/** Whether a Bundle of that type is taken apart; `inDocument`: it came as a document or in a `.json` file. */
export function unpacksBundle(mode: BundleMode, bundleType: string, inDocument: boolean): boolean {
  if (mode === "unpack") return true;
  return mode === "auto" && inDocument && ENVELOPES.has(bundleType);
}

/** What one entry of a Bundle asks for. */
export type EntryAction =
  | { readonly kind: "skip" }
  | { readonly kind: "delete"; readonly facts: VersionFacts }
  /** The resource's text as it is to be stored, with a LF behind its last byte. */
  | { readonly kind: "store"; readonly raw: Buffer };

/** Takes Bundles apart. */
export class BundleUnpacker {
  private readonly reader: BundleReader;
  private readonly definitions: Definitions;

  constructor(definitions: Definitions, maxDepth: number) {
    this.reader = new BundleReader(maxDepth);
    this.definitions = definitions;
  }

  /** The entries of the accepted Bundle in `bytes[start, end)`; `bytes[end]` must be the sentinel. */
  entries(bytes: Buffer, start: number, end: number): BundleEntry[] {
    return this.reader.entries(bytes, start, end);
  }

  /** `Type/id` by `urn:` fullUrl, for the references between entries. */
  references(entries: readonly BundleEntry[]): Map<string, string> {
    const targets = new Map<string, string>();
    for (const entry of entries) {
      const id = entryId(entry);
      if (entry.fullUrl?.startsWith("urn:") !== true || entry.resourceType === undefined) continue;
      if (id !== undefined) targets.set(entry.fullUrl, `${entry.resourceType}/${id}`);
    }
    return targets;
  }

  /** What to do with an entry. Throws a {@link Rejection} (`unsupported-request`) for what cannot be carried out. */
  action(entry: BundleEntry, bytes: Buffer, references: ReadonlyMap<string, string>): EntryAction {
    const method = entry.method?.toUpperCase();
    if (method === "DELETE") return { kind: "delete", facts: this.deletion(entry) };
    if (entry.resource === undefined || entry.searchMode === "outcome") return { kind: "skip" };
    if (method === "PATCH") {
      throw new Rejection(
        "unsupported-request",
        "A PATCH cannot be applied without the resource.",
        entry.start,
      );
    }
    return { kind: "store", raw: storedText(entry, entry.resource, bytes, references) };
  }

  private deletion(entry: BundleEntry): VersionFacts {
    const target = RESOURCE_URL.exec(entry.url ?? "");
    const type = target?.[1];
    if (target === null || type === undefined || !this.definitions.resourceTypes.has(type)) {
      const message = "A DELETE must name one resource as Type/id; a conditional one cannot be applied.";
      throw new Rejection("unsupported-request", message, entry.start);
    }
    const lastUpdated = entry.lastModified ?? "";
    const instant = parseInstant(lastUpdated);
    return {
      type,
      id: target[2]!,
      versionId: WEAK_ETAG.exec(entry.etag ?? "")?.[1] ?? target[3] ?? "",
      lastUpdated: instant === undefined ? "" : lastUpdated,
      instant,
    };
  }
}

/** The resource's own id, else the uuid of the entry's fullUrl. */
function entryId(entry: BundleEntry): string | undefined {
  if (entry.id !== undefined) return PLAIN_ID.test(entry.id) ? entry.id : undefined;
  return UUID_URL.exec(entry.fullUrl ?? "")?.[1];
}

/**
 * The source text of the resource, changed only where it must be: on one line, with an id when it has none, with
 * references to entries of the same Bundle by `Type/id`.
 */
function storedText(
  entry: BundleEntry,
  resource: { readonly start: number; readonly end: number },
  bytes: Buffer,
  references: ReadonlyMap<string, string>,
): Buffer {
  let text = bytes.subarray(resource.start, resource.end);
  const id = entry.id === undefined ? entryId(entry) : undefined;
  if (id !== undefined) {
    const at = entry.idPlace - resource.start;
    const property = at === 1 ? `"id":"${id}",` : `,"id":"${id}"`;
    text = Buffer.concat([text.subarray(0, at), Buffer.from(property), text.subarray(at)]);
  }
  const compact = text.includes(LF) || text.includes(0x0d);
  const linked = references.size > 0 && text.includes('"urn:');
  const stored = compact || linked ? rewriteJson(text, 0, text.length, { compact, references }) : text;
  return Buffer.concat([stored, Buffer.of(LF)]);
}
