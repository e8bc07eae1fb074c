import type { WaitingClock } from "./clock.js";

/** How requests to a source authenticate. Secrets are values here; where they are read from is the caller's matter. */
export type AuthSettings =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly user: string; readonly password: string }
  | { readonly kind: "bearer"; readonly token: string }
  | SmartBackendSettings;

/** SMART Backend Services (client credentials with a signed assertion). */
export interface SmartBackendSettings {
  readonly kind: "smart-backend";
  readonly clientId: string;
  /** PKCS#8, PKCS#1 or SEC1 PEM, or a private JWK as JSON. */
  readonly privateKey: string;
  /** `kid` under which the public key is registered with the server. */
  readonly keyId: string;
  readonly algorithm: "RS384" | "ES384";
  /** Default `system/*.rs`. */
  readonly scope?: string;
  /** Default: `token_endpoint` of `[base]/.well-known/smart-configuration`. */
  readonly tokenUrl?: string;
  /** Sent as `jku`, for servers where keys are registered by URL. */
  readonly jwksUrl?: string;
}

/** Settings of {@link FhirHttp}. */
export interface HttpSettings {
  /** `http(s)://…/fhir`, with or without the last slash. */
  readonly baseUrl: string;
  readonly auth: AuthSettings;
  /** Sent with every request to the origin of `baseUrl`, and to no other. */
  readonly headers?: Readonly<Record<string, string>>;
  /** HTTP proxy for all requests. `HTTPS_PROXY` and the like are not looked at. */
  readonly proxyUrl?: string;
  /** PEM file of further certificate authorities; the usual ones stay trusted. */
  readonly caFile?: string;
  /** PEM files of a client certificate (chain) and its key, shown to the origin of `baseUrl` and the configured token URL only. */
  readonly clientCertFile?: string;
  readonly clientKeyFile?: string;
  /** Longest silence before a request is given up: until the headers, then between two pieces of the body. Default 60,000 ms. */
  readonly timeoutMs?: number;
  /** Requests under way at once. Default 4. */
  readonly maxConcurrency?: number;
  /** Least time between the starts of two requests. Default 0. */
  readonly minIntervalMs?: number;
  /** Tries per request, the first included. Default 6. */
  readonly maxAttempts?: number;
  /** Longest wait that a server can impose before a retry. Default 300,000 ms. */
  readonly maxWaitMs?: number;
  /** Most bytes of a JSON answer after decompression. Default 64 MiB. */
  readonly maxJsonBytes?: number;
  /** Most bytes of a downloaded file after decompression. Default 64 GiB. */
  readonly maxFileBytes?: number;
  /**
   * Origins other than the base's from which polls, next pages and files are taken (`https://files.example.org`), whatever
   * their address. They never get credentials.
   */
  readonly allowedFileOrigins?: readonly string[];
  readonly clock?: WaitingClock;
  /** Numbers in [0, 1) for jitter. Default `Math.random`. */
  readonly random?: () => number;
  readonly signal?: AbortSignal;
  /** Told of every try of every request, for logs: without secrets, queries and ids. */
  readonly onRequest?: (event: RequestEvent) => void;
}

/** One try of a request, after it ended. */
export interface RequestEvent {
  readonly method: string;
  /** Path below the base with ids replaced, or the origin alone for another one. */
  readonly target: string;
  /** Absent when there was no answer. */
  readonly status?: number;
  readonly attempt: number;
  readonly durationMs: number;
  /** Why there was no usable answer, e.g. `ECONNRESET`. */
  readonly failure?: string;
  /** Wait until the next try, when there is one. */
  readonly retryInMs?: number;
}

export type HttpMethod = "GET" | "POST" | "PUT" | "DELETE" | "HEAD";

/** What {@link FhirHttp.json} sends and how it judges the answer. */
export interface JsonRequest {
  readonly headers?: Readonly<Record<string, string>>;
  /** A string or a form is sent as it is, anything else as JSON (`application/fhir+json` unless `headers` say otherwise). */
  readonly body?: unknown;
  /** Added to the query of the target; an array repeats the name. */
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** Statuses that are answers, even such as are retried else. Default: 200 to 299. */
  readonly expect?: readonly number[];
  /** Tries, the first included. Default: the settings' `maxAttempts`. */
  readonly maxAttempts?: number;
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
  /** The server's words may stand in error messages: only for requests whose answer cannot be about a person. */
  readonly echoDiagnostics?: boolean;
}

/** An answer to {@link FhirHttp.json}. */
export interface JsonAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The URL that answered, after redirects within the origin. */
  readonly url: URL;
  /** The parsed body; undefined when it is empty or, outside status 200, no JSON. Decimals are rounded here: resources are taken from `bytes`. */
  readonly body: unknown;
  /** The body as text. */
  readonly text: string;
  /** The body as received, decompressed. */
  readonly bytes: Buffer;
}

/** Looks at a file while it arrives. One is made for each try. */
export interface DownloadInspector {
  write(chunk: Buffer): void;
  /** Called after the last byte. Throwing a retryable `LakeError` has the file fetched again. */
  end(): void;
}

/** How a file is fetched. */
export interface DownloadRequest {
  /** Default `application/fhir+ndjson`. */
  readonly accept?: string;
  /** Whether credentials go along; they do only when the URL's origin is the base's. False: a capability URL. */
  readonly authorize: boolean;
  readonly maxAttempts?: number;
  readonly inspect?: () => DownloadInspector;
  readonly signal?: AbortSignal;
}

/** A file that stands complete and synced under its name. */
export interface Downloaded {
  readonly sizeBytes: number;
  /** Lowercase hex, of the bytes on the disk. */
  readonly sha256: string;
  readonly headers: Headers;
}

/** Running counts. */
export interface HttpStatistics {
  readonly requests: number;
  readonly retries: number;
  /** Bytes of bodies as received, before decompression. */
  readonly bytes: number;
}

/** Requests to one source, bounded, retried and authenticated. One per run of a source. */
export interface FhirHttp {
  /** Ends with a slash. */
  readonly base: URL;
  readonly clock: WaitingClock;
  /**
   * One request with a short answer. `target` is a path below the base (`metadata`, `Patient?_count=1`) or an absolute URL
   * that the server gave. Throws LakeErrors `source/*`.
   */
  json(method: HttpMethod, target: string | URL, request?: JsonRequest): Promise<JsonAnswer>;
  /** Streams a file, decompressed, to `target.part` and renames it when it is complete, checked and synced. */
  download(url: string | URL, target: string, request: DownloadRequest): Promise<Downloaded>;
  readonly statistics: HttpStatistics;
  /** Ends all connections. */
  close(): Promise<void>;
}
