import { Client, type FhirResource, type RequestOptions, type SearchParams } from "fhir-kit-client";
import type { FhirHttp, JsonAnswer } from "../http/index.js";

/** Statuses by which a server says that it does not do something, or has not got it; what may pass is retried below. */
const ANSWERS = [200, 400, 403, 404, 405, 406, 410, 412, 413, 414, 415, 422, 501];
/** Discovery tries several places and goes by failure. */
const DISCOVERY = /(^|\/)(metadata|\.well-known\/[a-z-]+)$/;
/** Servers keep results of equal searches for a while; a stored page would hide the newest changes. */
const FRESH = { "cache-control": "no-cache" };

/** Parameters of a search or a history; an array repeats the name. */
export type Query = Readonly<Record<string, string | readonly string[]>>;

/** How a search is sent. */
export type SearchMethod = "GET" | "POST";

/**
 * FHIR interactions of one source by fhir-kit-client, with its transport replaced: every request goes through `ingestion/http`, because
 * only there do credentials stay with their origin, failures get retried and resources keep their source text.
 */
export class SourceClient {
  readonly http: FhirHttp;
  /** The package's own client, for what it knows about discovery. */
  readonly kit: Client;
  private readonly signal: AbortSignal | undefined;
  private readonly answers = new WeakMap<object, JsonAnswer>();

  constructor(http: FhirHttp, signal?: AbortSignal) {
    this.http = http;
    this.signal = signal;
    this.kit = new Client({ baseUrl: http.base.href });
    this.kit.httpClient.request = (method, target, options, body) => this.send(method, target, options, body);
  }

  /** A search of a type. The answer may be a refusal: look at its status. */
  async search(type: string, query: Query, method: SearchMethod = "GET"): Promise<JsonAnswer> {
    const searchParams = query as SearchParams;
    const options = { postSearch: method === "POST" };
    return this.answerOf(await this.kit.search({ resourceType: type, searchParams, options }));
  }

  /** The history of a type, or of the whole system when `type` is undefined. */
  async history(type: string | undefined, query: Query): Promise<JsonAnswer> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const one of typeof value === "string" ? [value] : value) parameters.append(name, one);
    }
    const place = type === undefined ? "_history" : `${type}/_history`;
    return this.answerOf(await this.kit.request(`${place}?${parameters.toString()}`));
  }

  /** All versions of one resource, newest first. */
  async instanceHistory(type: string, id: string): Promise<JsonAnswer> {
    return this.answerOf(await this.kit.history({ resourceType: type, id }));
  }

  /** A resource. Status 410 says that it was deleted, 404 that there is none. */
  async read(type: string, id: string): Promise<JsonAnswer> {
    return this.answerOf(await this.kit.read({ resourceType: type, id }));
  }

  /** A next page, by the URL the server gave. */
  async follow(url: URL): Promise<JsonAnswer> {
    return this.answerOf(await this.kit.request(url.href));
  }

  private answerOf(resource: FhirResource): JsonAnswer {
    return this.answers.get(resource)!;
  }

  private async send(
    method: string,
    target: string,
    options: RequestOptions = {},
    body?: unknown,
  ): Promise<FhirResource> {
    const discovery = DISCOVERY.test(target);
    const signal = (options.signal as AbortSignal | null | undefined) ?? this.signal;
    const answer = await this.http.json(method as "GET" | "POST", target.replace(/^\/+/, ""), {
      headers: { ...FRESH, ...options.headers },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
      ...(discovery ? {} : { expect: ANSWERS }),
    });
    const parsed = answer.body;
    const resource =
      typeof parsed === "object" && parsed !== null ? (parsed as FhirResource) : { resourceType: "" };
    this.answers.set(resource, answer);
    return resource;
  }
}
