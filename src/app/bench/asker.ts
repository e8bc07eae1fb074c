import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { retryDelay } from "#ingestion";
import { LakeError } from "#kernel";

/** Statuses by which a server asks its clients for less. */
const ASKS_FOR_LESS: ReadonlySet<number> = new Set([429, 503]);
/** Times that a request is sent before the server is left alone. */
const MOST_TRIES = 4;
/** A server that asks for a longer wait is left alone: nobody watches a comparison for that long. */
const LONGEST_WAIT_MS = 60_000;

/** How a server is asked. */
export interface AskerOptions {
  /** What a message calls the server: `FHIR server`, `lake`. */
  readonly name: string;
  /** Base URL; paths are appended to it. */
  readonly base: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Connections kept open at most; 4 when absent. */
  readonly connections?: number;
  /** Requests refused beyond so many over the asker's life, so that no question runs away; unlimited when absent. */
  readonly mostRequests?: number;
  /** Bytes of unpacked bodies taken over the asker's life at most, its forks together; unlimited when absent. */
  readonly mostBytes?: number;
  /** Least time between the starts of two requests, milliseconds; 0 when absent. */
  readonly gapMs?: number;
  /** A request is given up after so long, milliseconds; ten minutes when absent. */
  readonly timeoutMs?: number;
  /** How to wait for the next start; real time when absent. */
  readonly wait?: (ms: number) => Promise<unknown>;
}

/** What asking has cost so far. */
export interface Spent {
  readonly requests: number;
  /** Bytes of bodies received, as they came over the wire (compressed where the server compresses). */
  readonly bytes: number;
  /** How often the server asked for less and was asked again after a wait, which is part of the time. */
  readonly waits: number;
}

/** An answer with its status; a body that is not JSON is `undefined`. */
export interface Answered {
  readonly status: number;
  readonly json: unknown;
}

/**
 * Asks one server for JSON and counts what that costs. Never sends a condition (`If-None-Match`), so that every answer is computed and
 * sent whole. Safe to share between questions that run at once: each takes a {@link fork} to have counts of its own.
 */
export class Asker {
  readonly base: string;
  private readonly options: AskerOptions;
  private readonly agent: HttpAgent;
  private readonly gate: { total: number; bytes: number; nextAt: number };
  private requests = 0;
  private bytes = 0;
  private waits = 0;

  constructor(options: AskerOptions, parent?: Asker) {
    this.options = options;
    this.base = options.base.replace(/\/+$/, "");
    const pool = { keepAlive: true, maxSockets: options.connections ?? 4 };
    this.agent =
      parent?.agent ?? (this.base.startsWith("https:") ? new HttpsAgent(pool) : new HttpAgent(pool));
    this.gate = parent?.gate ?? { total: 0, bytes: 0, nextAt: 0 };
  }

  /** An asker of the same server with the same connections and limits, its own counts, and these headers beside the others. */
  fork(headers: Readonly<Record<string, string>> = {}): Asker {
    return new Asker({ ...this.options, headers: { ...this.options.headers, ...headers } }, this);
  }

  /** What this asker has spent. */
  get spent(): Spent {
    return { requests: this.requests, bytes: this.bytes, waits: this.waits };
  }

  /**
   * The JSON at a path below the base, or at an absolute URL of the same origin. Errors: `bench/refused` for any status but 200,
   * `bench/throttled` for 429 and 503 that last, `bench/unreachable`, `bench/too-many-requests`, `bench/too-many-bytes`,
   * `bench/foreign-link`.
   */
  async get(place: string, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const { status, json } = await this.send("GET", place, undefined, headers);
    if (status === 200) return json;
    throw new LakeError(
      status === 404 || status === 410 ? "not-found" : "unavailable",
      "bench/refused",
      `The ${this.options.name} answered GET ${bare(place)} with ${status}.`,
      { details: { status } },
    );
  }

  /**
   * Sends a request and answers whatever status comes, but for 429 and 503: after those nothing is asked of the server for as long as it
   * says, and then the same again, a few times. Errors as {@link get}, without `bench/refused`.
   */
  async send(
    method: "GET" | "PUT" | "POST" | "DELETE",
    place: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answered> {
    const url = this.resolve(place);
    const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    for (let tries = 1; ; tries++) {
      await this.admit();
      const incoming = await this.open(method, url, { text, headers });
      const answer = await this.read(incoming);
      if (!ASKS_FOR_LESS.has(answer.status)) return answer;
      this.pause(tries, incoming, `${method} ${bare(place)}`);
    }
  }

  /** Closes the connections of this asker and of its forks. */
  close(): void {
    this.agent.destroy();
  }

  private resolve(place: string): URL {
    const below = place === "" ? this.base : `${this.base}/${place}`;
    const url = new URL(/^https?:/.test(place) ? place : below);
    // A server's next link must not lead the token elsewhere.
    if (url.origin === new URL(this.base).origin) return url;
    throw new LakeError(
      "unsupported",
      "bench/foreign-link",
      `The ${this.options.name} links to another origin, ${url.origin}; give the base URL that its links have.`,
    );
  }

  private async admit(): Promise<void> {
    const { mostRequests = Number.POSITIVE_INFINITY, gapMs = 0, wait = sleep, name } = this.options;
    if (this.gate.total >= mostRequests) {
      throw new LakeError(
        "unavailable",
        "bench/too-many-requests",
        `The questions need more than ${mostRequests} requests of the ${name}; allow more with --most-requests.`,
      );
    }
    this.gate.total++;
    this.requests++;
    const now = performance.now();
    const at = Math.max(now, this.gate.nextAt);
    // Without a gap only a wait that the server asked for stands there, and it is for all.
    if (gapMs > 0) this.gate.nextAt = at + gapMs;
    if (at > now) await wait(at - now);
  }

  private async read(incoming: IncomingMessage): Promise<Answered> {
    const { mostBytes = Number.POSITIVE_INFINITY } = this.options;
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of incoming) {
      size += (part as Buffer).byteLength;
      if (this.gate.bytes + size > mostBytes) throw this.tooManyBytes();
      parts.push(part as Buffer);
    }
    this.bytes += size;
    const plain = this.unpacked(Buffer.concat(parts), incoming.headers["content-encoding"]);
    this.gate.bytes += plain.byteLength;
    return { status: incoming.statusCode ?? 0, json: parsed(plain.toString("utf8")) };
  }

  private unpacked(body: Buffer, encoding: string | undefined): Buffer {
    if (encoding !== "gzip") return body;
    const { mostBytes } = this.options;
    try {
      if (mostBytes === undefined) return gunzipSync(body);
      return gunzipSync(body, { maxOutputLength: Math.max(1, mostBytes - this.gate.bytes) });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw this.tooManyBytes();
      throw cause;
    }
  }

  private tooManyBytes(): LakeError {
    return new LakeError(
      "unavailable",
      "bench/too-many-bytes",
      `The questions take more than ${String(this.options.mostBytes)} bytes from the ${this.options.name}; allow more with --max-bytes, or ask fewer with --questions.`,
    );
  }

  /** Lets all requests to the server wait for as long as it asks. Errors: `bench/throttled` when it asked often enough, or for too long. */
  private pause(tries: number, { statusCode, headers }: IncomingMessage, what: string): void {
    const waitMs = retryDelay({
      retryAfter: headers["retry-after"] ?? null,
      failures: tries,
      now: new Date(),
      maxWaitMs: Number.POSITIVE_INFINITY,
      random: () => 0,
    });
    if (tries < MOST_TRIES && waitMs <= LONGEST_WAIT_MS) {
      this.waits++;
      this.gate.nextAt = Math.max(this.gate.nextAt, performance.now() + waitMs);
      return;
    }
    const { name, gapMs = 0 } = this.options;
    const said =
      waitMs > LONGEST_WAIT_MS
        ? `${statusCode} and asks for a wait of ${Math.ceil(waitMs / 1000)} s`
        : `${statusCode}, ${tries} times running`;
    throw new LakeError(
      "unavailable",
      "bench/throttled",
      `The ${name} answered ${what} with ${said}: it asks for less. Lower ${gapMs > 0 ? "--per-second and " : ""}--parallel, ask fewer with --questions, or come again later.`,
      { details: { status: statusCode ?? 0 } },
    );
  }

  private async open(method: string, url: URL, sent: Sent): Promise<IncomingMessage> {
    for (;;) {
      try {
        return await this.openOnce(method, url, sent);
      } catch (cause) {
        // A server ends a connection that was idle for long just as it is used again: says nothing about the server.
        if (cause instanceof StaleConnection && method !== "POST") continue;
        throw new LakeError(
          "unavailable",
          "bench/unreachable",
          `The ${this.options.name} at ${this.base} does not answer.`,
          { cause },
        );
      }
    }
  }

  private openOnce(method: string, url: URL, { text, headers: own }: Sent): Promise<IncomingMessage> {
    const headers: Record<string, string> = {
      Accept: "application/fhir+json, application/json;q=0.9",
      "Accept-Encoding": "gzip",
      ...this.options.headers,
      ...own,
    };
    if (text !== undefined) {
      headers["Content-Type"] ??= "application/json";
      headers["Content-Length"] = String(Buffer.byteLength(text));
    }
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(this.options.timeoutMs ?? 600_000);
      const outgoing = send(url, { agent: this.agent, method, headers, signal }, resolve);
      outgoing.on("error", (cause: NodeJS.ErrnoException) => {
        const isStale = outgoing.reusedSocket && cause.code === "ECONNRESET";
        reject(isStale ? new StaleConnection("The connection was ended.", { cause }) : cause);
      });
      outgoing.end(text);
    });
  }
}

/** What goes out with a request. */
interface Sent {
  readonly text: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** A kept connection that the server had ended before it took the request. */
class StaleConnection extends Error {}

/** A place without what may identify a person: the resource type, or the view. */
function bare(place: string): string {
  const path = place
    .replace(/^https?:\/\/[^/]+\//, "")
    .split("?")[0]!
    .split("/");
  return path.slice(0, path[0] === "views" || path[0] === "cohorts" ? 2 : 1).join("/");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
