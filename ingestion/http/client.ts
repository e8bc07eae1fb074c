import { setMaxListeners } from "node:events";
import { LakeError } from "#kernel";
import { readBody } from "./body.js";
import { systemWaitingClock, type WaitingClock } from "./clock.js";
import { type Credentials, staticCredentials } from "./credentials.js";
import { receiveFile } from "./download.js";
import { badSettings, statusError } from "./errors.js";
import { exchange, type Incoming, type Outgoing } from "./exchange.js";
import { Gate } from "./gate.js";
import { Origins, parseBase } from "./origins.js";
import { readOutcome } from "./outcome.js";
import { type RetryContext, withRetries } from "./retrying.js";
import type {
  Downloaded,
  DownloadRequest,
  FhirHttp,
  HttpMethod,
  HttpSettings,
  HttpStatistics,
  JsonAnswer,
  JsonRequest,
} from "./settings.js";
import { SmartBackend, type TokenTransport } from "./smart-backend.js";
import { Transport } from "./transport.js";

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_ATTEMPTS = 6;
const DEFAULT_MAX_WAIT_MS = 300_000;
const DEFAULT_JSON_BYTES = 64 * 1024 * 1024;
const DEFAULT_FILE_BYTES = 64 * 1024 ** 3;
const TOKEN_STATUSES = [200, 400, 401];
const FHIR_JSON = "application/fhir+json";

/** Opens a client for one source. Throws `source/bad-settings`; nothing is sent yet. */
export function createFhirHttp(settings: HttpSettings): FhirHttp {
  return new UndiciHttp(settings);
}

type SentRequest = Omit<Outgoing, "homeHeaders" | "timeoutMs"> & {
  /** Whether credentials may go along at all. */
  readonly authorize: boolean;
};

class UndiciHttp implements FhirHttp {
  readonly base: URL;
  readonly clock: WaitingClock;
  private readonly settings: HttpSettings;
  private readonly origins: Origins;
  private readonly transport: Transport;
  private readonly credentials: Credentials;
  private readonly gate: Gate;
  private readonly retries: RetryContext;
  private readonly counts = { requests: 0, retries: 0, bytes: 0 };

  constructor(settings: HttpSettings) {
    this.settings = settings;
    this.base = parseBase(settings.baseUrl);
    this.clock = settings.clock ?? systemWaitingClock;
    this.origins = new Origins(this.base, settings.allowedFileOrigins ?? []);
    this.transport = new Transport(settings, this.base);
    this.credentials =
      settings.auth.kind === "smart-backend"
        ? new SmartBackend(settings.auth, this.base, this.tokenTransport(), this.clock)
        : staticCredentials(settings.auth);
    const { maxConcurrency = 4, minIntervalMs = 0 } = settings;
    if (!(maxConcurrency >= 1) || !(minIntervalMs >= 0)) {
      throw badSettings("A source's concurrency must be at least 1 and its interval not negative.");
    }
    unlimited(settings.signal);
    this.gate = new Gate(Math.floor(maxConcurrency), minIntervalMs, this.clock);
    this.retries = {
      clock: this.clock,
      random: settings.random ?? Math.random,
      maxWaitMs: settings.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
      onRequest: settings.onRequest,
      count: (attempt) => {
        this.counts.requests++;
        if (attempt > 1) this.counts.retries++;
      },
    };
  }

  get statistics(): HttpStatistics {
    return { ...this.counts };
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  async json(method: HttpMethod, target: string | URL, request: JsonRequest = {}): Promise<JsonAnswer> {
    const url = new URL(this.origins.resolve(target));
    for (const [name, values] of Object.entries(request.query ?? {})) {
      for (const value of typeof values === "string" ? [values] : values)
        url.searchParams.append(name, value);
    }
    const { body, contentType } = bodyOf(request.body);
    const signal = this.signal(request.signal);
    const sent: SentRequest = {
      method,
      url,
      headers: {
        accept: FHIR_JSON,
        "accept-encoding": "gzip",
        "user-agent": "fhir-lake",
        ...(contentType === undefined ? {} : { "content-type": contentType }),
        ...lowerCased(request.headers),
      },
      ...(body === undefined ? {} : { body }),
      authorize: true,
      file: false,
      follow: method === "GET" || method === "HEAD",
      signal,
    };
    return await withRetries(this.retries, {
      method,
      target: this.origins.name(url),
      maxAttempts: request.maxAttempts ?? this.settings.maxAttempts ?? DEFAULT_ATTEMPTS,
      signal,
      gate: this.gate,
      run: (seen) => this.answer(sent, request, seen),
    });
  }

  async download(url: string | URL, target: string, request: DownloadRequest): Promise<Downloaded> {
    const signal = this.signal(request.signal);
    const from = this.origins.resolve(url);
    const sent: SentRequest = {
      method: "GET",
      url: from,
      headers: {
        accept: request.accept ?? "application/fhir+ndjson",
        "accept-encoding": "gzip",
        "user-agent": "fhir-lake",
      },
      authorize: request.authorize,
      file: !request.authorize || this.origins.trust(from) === "home",
      follow: true,
      signal,
    };
    const what = `GET ${this.origins.name(from)}`;
    return await withRetries(this.retries, {
      method: "GET",
      target: this.origins.name(from),
      maxAttempts: request.maxAttempts ?? this.settings.maxAttempts ?? DEFAULT_ATTEMPTS,
      signal,
      gate: this.gate,
      run: async (seen) => {
        const incoming = await this.send(sent, seen);
        if (incoming.status !== 200) throw await this.refusal(incoming, sent, false);
        const body = readBody(incoming.stream, incoming.headers.get("content-encoding"), what, {
          maxBytes: this.settings.maxFileBytes ?? DEFAULT_FILE_BYTES,
          onReceived: this.received,
          sniff: true,
        });
        return { ...(await receiveFile(body, target, request.inspect?.())), headers: incoming.headers };
      },
    });
  }

  private readonly received = (bytes: number): void => {
    this.counts.bytes += bytes;
  };

  private signal(own: AbortSignal | undefined): AbortSignal | undefined {
    const { signal } = this.settings;
    if (signal === undefined || own === undefined || own === signal) return own ?? signal;
    return unlimited(AbortSignal.any([signal, own]));
  }

  /** What the operator wants sent to the base's origin; a capability URL gets nothing that could be taken for a login. */
  private operatorHeaders(authorize: boolean): Record<string, string> {
    const { authorization, ...others } = lowerCased(this.settings.headers);
    return authorize && authorization !== undefined ? { ...others, authorization } : others;
  }

  /** Sends with credentials where they belong; a 401 is answered once with renewed ones. */
  private async send(request: SentRequest, seen: (status: number) => void): Promise<Incoming> {
    const { authorize, ...outgoing } = request;
    const withCredentials = authorize && this.origins.trust(outgoing.url) === "home";
    for (let renewed = false; ; renewed = true) {
      const header = withCredentials ? await this.credentials.header() : undefined;
      const incoming = await exchange(this.transport, this.origins, {
        ...outgoing,
        homeHeaders: {
          ...this.operatorHeaders(authorize),
          ...(header === undefined ? {} : { authorization: header }),
        },
        timeoutMs: this.settings.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      });
      seen(incoming.status);
      const again = incoming.status === 401 && withCredentials && !renewed && this.credentials.renew(header);
      if (!again) return incoming;
      discard(incoming);
    }
  }

  private async answer(
    sent: SentRequest,
    request: JsonRequest,
    seen: (status: number) => void,
  ): Promise<JsonAnswer> {
    const incoming = await this.send(sent, seen);
    const { status, headers, url } = incoming;
    const { expect } = request;
    const expected = expect === undefined ? status >= 200 && status < 300 : expect.includes(status);
    if (!expected) throw await this.refusal(incoming, sent, request.echoDiagnostics === true);
    const bytes = await this.bytesOf(incoming, sent, request.maxBytes);
    const text = bytes.toString("utf8");
    const body = parseJson(text);
    if (body === undefined && status === 200 && text.trim() !== "") {
      throw notJson(`${sent.method} ${this.origins.name(sent.url)}`);
    }
    return { status, headers, url, body, text, bytes };
  }

  private async bytesOf(
    incoming: Incoming,
    sent: SentRequest,
    maxBytes: number | undefined,
  ): Promise<Buffer> {
    const chunks: Buffer[] = [];
    const what = `${sent.method} ${this.origins.name(sent.url)}`;
    for await (const chunk of readBody(incoming.stream, incoming.headers.get("content-encoding"), what, {
      maxBytes: maxBytes ?? this.settings.maxJsonBytes ?? DEFAULT_JSON_BYTES,
      onReceived: this.received,
      sniff: false,
    })) {
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** The error that an unwanted status is. Its body is looked into only for an OperationOutcome. */
  private async refusal(incoming: Incoming, sent: SentRequest, echo: boolean): Promise<LakeError> {
    let issues: ReturnType<typeof readOutcome> = [];
    try {
      const bytes = await this.bytesOf(incoming, sent, MAX_REFUSAL_BYTES);
      issues = readOutcome(parseJson(bytes.toString("utf8")));
    } catch {
      // The status says enough.
      discard(incoming);
    }
    const what = `${sent.method} ${this.origins.name(sent.url)}`;
    return statusError(incoming.status, what, {
      issues,
      echo,
      retryAfter: incoming.headers.get("retry-after"),
    });
  }

  private tokenTransport(): TokenTransport {
    const { signal } = this.settings;
    const small = { file: false, authorize: false, signal } as const;
    return {
      discover: () => {
        const url = this.origins.resolve(".well-known/smart-configuration");
        const headers = { accept: "application/json", "user-agent": "fhir-lake" };
        const sent: SentRequest = { ...small, method: "GET", url, headers, follow: true };
        return this.aside(sent, () => Promise.resolve(sent), [200]);
      },
      post: (url, form, configured) => {
        const sent: SentRequest = {
          ...small,
          method: "POST",
          url,
          headers: {
            accept: "application/json",
            "content-type": "application/x-www-form-urlencoded",
            "user-agent": "fhir-lake",
          },
          follow: false,
          file: true,
          vouched: configured,
        };
        return this.aside(sent, async () => ({ ...sent, body: (await form()).toString() }), TOKEN_STATUSES);
      },
    };
  }

  /** A request that another one waits for: tried again like any, but not held at the gate. */
  private aside(
    named: SentRequest,
    make: () => Promise<SentRequest>,
    expect: readonly number[],
  ): Promise<JsonAnswer> {
    return withRetries(this.retries, {
      method: named.method,
      target: this.origins.name(named.url),
      maxAttempts: this.settings.maxAttempts ?? DEFAULT_ATTEMPTS,
      signal: this.settings.signal,
      gate: undefined,
      run: async (seen) => this.answer(await make(), { expect, maxBytes: MAX_REFUSAL_BYTES }, seen),
    });
  }
}

const MAX_REFUSAL_BYTES = 1024 * 1024;

/** Lets every request under way or waiting listen to a signal without a warning about a leak. */
function unlimited<Signal extends AbortSignal | undefined>(signal: Signal): Signal {
  if (signal !== undefined) setMaxListeners(0, signal);
  return signal;
}

function discard(incoming: Incoming): void {
  incoming.stream.on("error", () => undefined);
  incoming.stream.destroy();
}

function lowerCased(headers: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

function bodyOf(body: unknown): { readonly body?: string; readonly contentType?: string } {
  if (body === undefined) return {};
  if (typeof body === "string") return { body };
  if (body instanceof URLSearchParams) {
    return { body: body.toString(), contentType: "application/x-www-form-urlencoded" };
  }
  return { body: JSON.stringify(body), contentType: FHIR_JSON };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A proxy's or login page, or a cut answer: worth another try. */
function notJson(what: string): LakeError {
  return new LakeError(
    "unavailable",
    "source/not-json",
    `The answer to ${what} is not JSON; check that the base URL is a FHIR endpoint and no login or proxy page stands before it.`,
    { retryable: true },
  );
}
