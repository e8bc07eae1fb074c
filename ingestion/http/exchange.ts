import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { LakeError } from "#kernel";
import type { Origins, Trust } from "./origins.js";
import type { HttpMethod } from "./settings.js";
import type { Channel, Transport } from "./transport.js";

/** One request as it goes over the wire. */
export interface Outgoing {
  readonly method: HttpMethod;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Headers for the base's origin only: credentials, and what the operator configured. */
  readonly homeHeaders: Readonly<Record<string, string>>;
  /** A file: it may stand elsewhere, reached by URL or redirect, without credentials. */
  readonly file: boolean;
  /** False: no redirect is followed. */
  readonly follow: boolean;
  /** The caller vouches for the URL although it has another origin (a configured token endpoint). */
  readonly vouched?: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** An answer whose body is still to be read. */
export interface Incoming {
  readonly status: number;
  readonly headers: Headers;
  readonly url: URL;
  readonly stream: Readable;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 5;

/** Headers as the web knows them; of repeated ones all values. */
function toHeaders(raw: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw)) {
    for (const one of typeof value === "string" ? [value] : (value ?? [])) headers.append(name, one);
  }
  return headers;
}

function channelFor(trust: Trust, vouched: boolean): Channel {
  if (trust === "home" || vouched) return "trusted";
  return trust === "listed" ? "plain" : "guarded";
}

async function sendOnce(transport: Transport, origins: Origins, out: Outgoing, url: URL): Promise<Incoming> {
  const trust = out.vouched === true ? origins.trust(url) : origins.check(url, out.file);
  const dispatcher = await transport.dispatcher(channelFor(trust, out.vouched === true), url);
  const answer: Dispatcher.ResponseData = await dispatcher.request({
    origin: url.origin,
    path: url.pathname + url.search,
    method: out.method,
    headers: { ...out.headers, ...(trust === "home" ? out.homeHeaders : {}) },
    body: out.body ?? null,
    headersTimeout: out.timeoutMs,
    bodyTimeout: out.timeoutMs,
    ...(out.signal === undefined ? {} : { signal: out.signal }),
  });
  return { status: answer.statusCode, headers: toHeaders(answer.headers), url, stream: answer.body };
}

function badRedirect(what: string, why: string): LakeError {
  const message = `The server answers ${what} with a redirect that is not followed: ${why}.`;
  return new LakeError("unsupported", "source/redirect", message);
}

/** Where a redirect may lead. Credentials never leave the base's origin, because they are added per hop, by origin. */
function nextHop(from: Incoming, out: Outgoing, origins: Origins, what: string): URL {
  const location = from.headers.get("location");
  if (location === null || !URL.canParse(location, from.url.href)) {
    throw badRedirect(what, "it names no usable location");
  }
  const url = new URL(location, from.url.href);
  if (!out.follow) throw badRedirect(what, "only reading requests are");
  if (from.url.protocol === "https:" && url.protocol === "http:") {
    throw badRedirect(what, "it leaves the secure connection");
  }
  if (!out.file && origins.trust(url) !== "home") {
    throw badRedirect(
      what,
      `it leads to ${url.origin}; give the address it leads to as the source's base URL`,
    );
  }
  return url;
}

/**
 * Sends a request and follows redirects by hand: of reading requests only, within the base's origin, and for files to any
 * origin that may be asked. Fails with whatever the connection fails with.
 */
export async function exchange(transport: Transport, origins: Origins, out: Outgoing): Promise<Incoming> {
  const what = `${out.method} ${origins.name(out.url)}`;
  let url = out.url;
  for (let hop = 0; ; hop++) {
    const incoming = await sendOnce(transport, origins, out, url);
    if (!REDIRECTS.has(incoming.status)) return incoming;
    incoming.stream.on("error", () => undefined);
    incoming.stream.destroy();
    if (hop === MAX_REDIRECTS) throw badRedirect(what, `there were ${MAX_REDIRECTS} before it`);
    url = nextHop(incoming, out, origins, what);
  }
}
