import { type OutcomeIssue, readOutcome } from "../http/index.js";
import { notABundle } from "./errors.js";
import { cutResources, onOneLine } from "./page-text.js";
import { instantMs } from "./search-instant.js";

/** One entry of a searchset or history Bundle. */
export interface PageEntry {
  readonly type: string;
  /** Empty when neither the resource nor the request tells it. */
  readonly id: string;
  readonly versionId: string | undefined;
  /** meta.lastUpdated, else response.lastModified, in milliseconds. */
  readonly timeMs: number | undefined;
  /** The same as the server wrote it. */
  readonly timeText: string | undefined;
  /** A match or a version: not something the server added on its own (`include`, `outcome`). */
  readonly match: boolean;
  /** The entry says that the resource was deleted. */
  readonly deleted: boolean;
  /** The resource is not whole and must not replace a whole one. */
  readonly subsetted: boolean;
  /** The resource's source text on one line, each character one byte (latin1); undefined when there is no resource. */
  readonly text: string | undefined;
}

/** One page of a search or a history. */
export interface Page {
  readonly entries: readonly PageEntry[];
  /** Of OperationOutcomes among the entries. */
  readonly issues: readonly OutcomeIssue[];
  /** Absolute URL of the next page. */
  readonly next: URL | undefined;
  readonly total: number | undefined;
  /** The server's clock when it made the page; undefined when it does not tell. */
  readonly serverMs: number | undefined;
}

type Json = Readonly<Record<string, unknown>>;

function object(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** `Patient/1`, also absolute and with a version. */
const RESOURCE_URL =
  /^(?:[^?#]*\/)?([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;
const ETAG = /^(?:W\/)?"?([A-Za-z0-9\-.]{1,64})"?$/;

function isSubsetted(meta: Json): boolean {
  return list(meta["tag"]).some((tag) => object(tag)["code"] === "SUBSETTED");
}

function entryOf(value: unknown, source: string | undefined): PageEntry {
  const entry = object(value);
  const resource = object(entry["resource"]);
  const request = object(entry["request"]);
  const response = object(entry["response"]);
  const meta = object(resource["meta"]);
  const named =
    RESOURCE_URL.exec(text(request["url"]) ?? "") ?? RESOURCE_URL.exec(text(entry["fullUrl"]) ?? "");
  const mode = text(object(entry["search"])["mode"]);
  const deleted = text(request["method"])?.toUpperCase() === "DELETE";
  const etag = ETAG.exec(text(response["etag"]) ?? "")?.[1];
  const modified = text(response["lastModified"]);
  // A resource that comes with a delete is the version before it.
  const versionId = deleted ? undefined : text(meta["versionId"]);
  const updated = deleted ? undefined : text(meta["lastUpdated"]);
  const timeText = [updated, modified].find((time) => instantMs(time) !== undefined);
  return {
    type: text(resource["resourceType"]) ?? named?.[1] ?? "",
    id: text(resource["id"]) ?? named?.[2] ?? "",
    versionId: versionId ?? etag ?? named?.[3],
    timeMs: instantMs(timeText),
    timeText,
    match: mode !== "include" && mode !== "outcome",
    deleted,
    subsetted: isSubsetted(meta),
    text: source === undefined ? undefined : onOneLine(source),
  };
}

function issuesOf(entries: readonly unknown[]): OutcomeIssue[] {
  return entries.flatMap((entry) => readOutcome(object(entry)["resource"]));
}

function nextOf(bundle: Json, pageUrl: URL): URL | undefined {
  const link = list(bundle["link"]).find((candidate) => object(candidate)["relation"] === "next");
  const url = text(object(link)["url"]);
  return url === undefined || !URL.canParse(url, pageUrl.href) ? undefined : new URL(url, pageUrl);
}

/**
 * The server's clock in an answer: Bundle.meta.lastUpdated, which comes from where resources get their times, else the Date header, which
 * may be a proxy's.
 */
export function serverTimeMs(bundle: unknown, headers: Headers): number | undefined {
  const header = Date.parse(headers.get("date") ?? "");
  return (
    instantMs(text(object(object(bundle)["meta"])["lastUpdated"])) ??
    (Number.isNaN(header) ? undefined : header)
  );
}

/** What an answer must have to be read as a page. */
export interface PageAnswer {
  readonly body: unknown;
  readonly bytes: Buffer;
  readonly headers: Headers;
  readonly url: URL;
}

/** Reads a Bundle. `what` names the request in errors. Errors: `source/not-a-bundle`. */
export function parsePage(answer: PageAnswer, what: string): Page {
  const bundle = object(answer.body);
  if (bundle["resourceType"] !== "Bundle") throw notABundle(what);
  const entries = list(bundle["entry"]);
  const sources = cutResources(answer.bytes.toString("latin1"));
  const total = bundle["total"];
  return {
    entries: entries
      .map((entry, i) => entryOf(entry, sources[i]))
      .filter((entry) => entry.type !== "OperationOutcome"),
    issues: issuesOf(entries),
    next: nextOf(bundle, answer.url),
    total: typeof total === "number" && Number.isSafeInteger(total) && total >= 0 ? total : undefined,
    serverMs: serverTimeMs(bundle, answer.headers),
  };
}
