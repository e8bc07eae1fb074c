import type { Definitions } from "#fhir";
import { parseInstant } from "#landing";
import { type BundleEntry, BundleReader } from "../ndjson/bundle.js";
import { type Rewrite, rewriteJson, TextBuffer } from "../ndjson/json-text.js";
import { Rejection } from "../quarantine/reason.js";
import type { VersionFacts } from "./record-sink.js";
import type { BundleMode } from "./settings.js";

const LF = 0x0a;
const CR = 0x0d;
const LINE_END = Buffer.of(LF);
/** How a reference to an entry of the same Bundle starts. */
const URN = Buffer.from('"urn:');
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
  /** The resource's text as it is to be stored is `bytes[0, end)`, with a LF behind it; good until the next action. */
  | { readonly kind: "store"; readonly bytes: Buffer; readonly end: number };

/** Takes Bundles apart, one entry at a time. */
export class BundleUnpacker {
  private readonly reader: BundleReader;
  private readonly definitions: Definitions;
  private readonly text = new TextBuffer();

  constructor(definitions: Definitions, maxDepth: number) {
    this.reader = new BundleReader(maxDepth);
    this.definitions = definitions;
  }

  /** Visits the entries of the accepted Bundle in `bytes[start, end)`; `bytes[end]` must be the sentinel. */
  each(bytes: Buffer, start: number, end: number, visit: (entry: BundleEntry) => void): void {
    this.reader.each(bytes, start, end, visit);
  }

  /** `Type/id` by `urn:` fullUrl, for the references between the entries of that Bundle. */
  references(bytes: Buffer, start: number, end: number): ReadonlyMap<string, string> {
    const targets = new Map<string, string>();
    if (!bytes.subarray(start, end).includes(URN)) return targets;
    this.each(bytes, start, end, (entry) => {
      const id = entryId(entry);
      if (entry.fullUrl?.startsWith("urn:") !== true || entry.resourceType === undefined) return;
      if (id !== undefined) targets.set(entry.fullUrl, `${entry.resourceType}/${id}`);
    });
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
    this.writeStored(entry, entry.resource, bytes, references);
    return { kind: "store", bytes: this.text.bytes, end: this.text.length - 1 };
  }

  /**
   * The source text of the resource, changed only where it must be: on one line, with an id when it has none, with
   * references to entries of the same Bundle by `Type/id`.
   */
  private writeStored(
    entry: BundleEntry,
    resource: { readonly start: number; readonly end: number },
    bytes: Buffer,
    references: ReadonlyMap<string, string>,
  ): void {
    const { text } = this;
    const { start, end } = resource;
    const slice = bytes.subarray(start, end);
    const compact = slice.includes(LF) || slice.includes(CR);
    const rewrite: Rewrite = { compact, ...(slice.includes(URN) ? { references } : {}) };
    const id = entry.id === undefined ? entryId(entry) : undefined;
    text.clear();
    if (id === undefined) rewriteJson(bytes, start, end, rewrite, text);
    else {
      const first = entry.idPlace === start + 1;
      rewriteJson(bytes, start, entry.idPlace, rewrite, text);
      text.append(Buffer.from(first ? `"id":"${id}",` : `,"id":"${id}"`));
      rewriteJson(bytes, entry.idPlace, end, rewrite, text);
    }
    text.append(LINE_END);
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
