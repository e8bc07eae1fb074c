import { isLakeError, LakeError } from "#kernel";
import type { FhirHttp } from "../http/index.js";
import { readTopicStatus, type TopicStatus } from "../subscriptions/topic-status.js";
import { type FoundSubscription, readSubscription } from "./found.js";
import type { MissingEvents } from "./sequence.js";
import type { SubscribeSettings } from "./wanted.js";

/** The Subscriptions of one source's server. */
export interface SubscriptionServer {
  /** `4.0.1`, `4.3.0`, `5.0.0`; undefined without a CapabilityStatement. */
  fhirVersion(): Promise<string | undefined>;
  /** All that we may see, ours and others. */
  list(): Promise<FoundSubscription[]>;
  /** Answers the new id. */
  create(resource: Readonly<Record<string, unknown>>): Promise<string>;
  update(id: string, resource: Readonly<Record<string, unknown>>): Promise<void>;
  /** Nothing happens when it is gone already. */
  remove(id: string): Promise<void>;
  /** Undefined when it is gone. */
  read(id: string): Promise<FoundSubscription | undefined>;
  /** `$status` of one; undefined where the server does not offer it. */
  status(id: string): Promise<TopicStatus | undefined>;
  /** `$events` with ids only; undefined where the server does not offer it. What it answers may be less than was asked for. */
  events(id: string, range: MissingEvents): Promise<TopicStatus | undefined>;
}

type Json = Readonly<Record<string, unknown>>;

const MOST_PAGES = 1000;
/** Answers of servers that do not know an operation or have no such Subscription. */
const NOT_OFFERED = [400, 403, 404, 405, 406, 410, 412, 422, 501];

function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(object) : [];
}

function refused(what: string, status: number): LakeError {
  return new LakeError(
    "unavailable",
    "subscribe/refused",
    `The server answered ${status} to ${what}; look whether its credentials may manage Subscriptions and whether it has them switched on.`,
    { details: { status } },
  );
}

/** Subscriptions over the FHIR interactions of a source. */
class HttpSubscriptionServer implements SubscriptionServer {
  private readonly http: FhirHttp;
  private readonly ours: Pick<SubscribeSettings, "endpointBase" | "tag">;

  constructor(http: FhirHttp, ours: Pick<SubscribeSettings, "endpointBase" | "tag">) {
    this.http = http;
    this.ours = ours;
  }

  async fhirVersion(): Promise<string | undefined> {
    const { status, body } = await this.http.json("GET", "metadata", { expect: [200, ...NOT_OFFERED] });
    const version = object(body)["fhirVersion"];
    return status === 200 && typeof version === "string" ? version : undefined;
  }

  async list(): Promise<FoundSubscription[]> {
    const found = new Map<string, FoundSubscription>();
    let next: URL | undefined;
    for (let page = 0; page < MOST_PAGES; page++) {
      const query = next === undefined ? { query: { _count: "100" } } : {};
      const answer = await this.http.json("GET", next ?? "Subscription", {
        ...query,
        // A stored answer would not show what was written a moment ago.
        headers: { "cache-control": "no-cache" },
        expect: [200, ...NOT_OFFERED],
        echoDiagnostics: true,
      });
      if (answer.status !== 200) throw refused("a search of Subscriptions", answer.status);
      const bundle = object(answer.body);
      for (const { resource } of list(bundle["entry"])) {
        if (object(resource)["resourceType"] !== "Subscription") continue;
        const one = readSubscription(object(resource), this.ours);
        found.set(one.id, one);
      }
      const link = list(bundle["link"]).find(({ relation }) => relation === "next")?.["url"];
      if (typeof link !== "string" || !URL.canParse(link, answer.url.href)) return [...found.values()];
      next = new URL(link, answer.url);
    }
    throw refused("a search of Subscriptions with endless pages", 200);
  }

  async create(resource: Json): Promise<string> {
    const answer = await this.http.json("POST", "Subscription", {
      body: resource,
      headers: { prefer: "return=representation" },
      expect: [200, 201, ...NOT_OFFERED],
      // No diagnostics: they may repeat what was sent, and secrets are in it.
    });
    if (answer.status >= 300) throw refused("the creation of a Subscription", answer.status);
    const id = object(answer.body)["id"];
    const location = /Subscription\/([A-Za-z0-9\-.]{1,64})/.exec(answer.headers.get("location") ?? "")?.[1];
    const known = typeof id === "string" ? id : location;
    if (known === undefined) throw refused("the creation of a Subscription without naming it", answer.status);
    return known;
  }

  async update(id: string, resource: Json): Promise<void> {
    const { status } = await this.http.json("PUT", `Subscription/${id}`, {
      body: resource,
      expect: [200, 201, ...NOT_OFFERED],
      // No diagnostics, as for a creation.
    });
    if (status >= 300) throw refused("the update of a Subscription", status);
  }

  async remove(id: string): Promise<void> {
    const { status } = await this.http.json("DELETE", `Subscription/${id}`, {
      expect: [200, 202, 204, ...NOT_OFFERED],
    });
    if (status >= 300 && status !== 404 && status !== 410)
      throw refused("the removal of a Subscription", status);
  }

  async read(id: string): Promise<FoundSubscription | undefined> {
    const { status, body } = await this.http.json("GET", `Subscription/${id}`, {
      headers: { "cache-control": "no-cache" },
      expect: [200, ...NOT_OFFERED],
    });
    if (status === 404 || status === 410) return undefined;
    if (status !== 200) throw refused("a read of a Subscription", status);
    return readSubscription(object(body), this.ours);
  }

  status(id: string): Promise<TopicStatus | undefined> {
    return this.operation(`Subscription/${id}/$status`, {});
  }

  events(id: string, { from, to }: MissingEvents): Promise<TopicStatus | undefined> {
    return this.operation(`Subscription/${id}/$events`, {
      eventsSinceNumber: String(from),
      eventsUntilNumber: String(to),
      content: "id-only",
    });
  }

  /** The status at the front of an operation's Bundle. */
  private async operation(
    target: string,
    query: Readonly<Record<string, string>>,
  ): Promise<TopicStatus | undefined> {
    const answer = await this.http
      .json("GET", target, {
        query,
        headers: { "cache-control": "no-cache" },
        // Some servers break over operations they do not know.
        expect: [200, ...NOT_OFFERED, 500],
      })
      .catch((error: unknown) => {
        if (isLakeError(error, "source/not-json")) return undefined;
        throw error;
      });
    if (answer?.status !== 200) return undefined;
    const [first] = list(object(answer.body)["entry"]);
    return readTopicStatus(first?.["resource"]);
  }
}

/** The Subscriptions of the server behind `http`. Errors of its methods: `subscribe/refused` and those of requests. */
export function subscriptionServer(
  http: FhirHttp,
  ours: Pick<SubscribeSettings, "endpointBase" | "tag">,
): SubscriptionServer {
  return new HttpSubscriptionServer(http, ours);
}
