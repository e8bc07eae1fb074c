import { createHmac, randomUUID } from "node:crypto";
import { type BundleEntry, bundleText } from "../bundle.js";
import { instant } from "../clock.js";
import type { StoredVersion } from "../store.js";
import type { SubscriptionBehaviour } from "./behaviour.js";
import type { Definition } from "./definition.js";

/** Something that a subscription tells. */
export interface SubscriptionEvent {
  /** From 1, without gaps. */
  readonly number: number;
  readonly version: StoredVersion;
}

/** A request to a subscriber. */
export interface Notice {
  readonly subscription: string;
  readonly kind: "change" | "handshake" | "heartbeat" | "event-notification";
  readonly method: "POST" | "PUT" | "DELETE";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly events: readonly SubscriptionEvent[];
}

/** What a status says. */
export interface StatusFacts {
  readonly definition: Definition;
  readonly base: string;
  readonly behaviour: SubscriptionBehaviour;
  /** Of the subscription now. */
  readonly status: string;
  readonly type: "handshake" | "heartbeat" | "event-notification" | "query-status" | "query-event";
  readonly eventCount: number;
  readonly events: readonly SubscriptionEvent[];
  readonly content: Definition["content"];
}

function join(endpoint: string, path: string): string {
  return `${endpoint.replace(/\/+$/, "")}/${path}`;
}

function headersOf(definition: Definition): Record<string, string> {
  const type = definition.contentType;
  return {
    ...(type === undefined ? {} : { "content-type": type }),
    ...Object.fromEntries(definition.headers),
  };
}

/** As HAPI sends: PUT of the resource that triggered, DELETE for deletes, an empty POST without a payload. Undefined: nothing is sent. */
export function hapiNotice(definition: Definition, event: SubscriptionEvent): Notice | undefined {
  const { type, id, text } = event.version;
  const common = { subscription: definition.id, kind: "change" as const, events: [event] };
  const headers = headersOf(definition);
  if (text === undefined && !definition.sendDeletes) return undefined;
  if (definition.contentType === undefined)
    return { ...common, method: "POST", url: definition.endpoint, headers, body: "" };
  const url = join(definition.endpoint, `${type}/${id}`);
  if (text === undefined) return { ...common, method: "DELETE", url, headers, body: "" };
  return { ...common, method: "PUT", url, headers, body: String(text.read()) };
}

/** As Medplum sends: POST of the bare resource, `{}` and headers for deletes, a signature when there is a secret. */
export function medplumNotice(definition: Definition, event: SubscriptionEvent): Notice {
  const { type, id, text, version } = event.version;
  const interaction = text === undefined ? "delete" : version === 1 ? "create" : "update";
  const body = text === undefined ? "{}" : String(text.read());
  const { secret } = definition;
  return {
    subscription: definition.id,
    kind: "change",
    method: "POST",
    url: definition.endpoint,
    headers: {
      "content-type": "application/fhir+json",
      ...Object.fromEntries(definition.headers),
      "x-medplum-subscription": definition.id,
      "x-medplum-interaction": interaction,
      ...(text === undefined ? { "x-medplum-deleted-resource": `${type}/${id}` } : {}),
      ...(secret === undefined
        ? {}
        : { "x-signature": createHmac("sha256", secret).update(body).digest("hex") }),
    },
    body,
    events: [event],
  };
}

/** The status resource: Parameters for R4, SubscriptionStatus for R4B and R5. */
export function statusResource(facts: StatusFacts): Record<string, unknown> {
  const { definition, status, type, eventCount, behaviour, base, content } = facts;
  const reference = { reference: `${base}/Subscription/${definition.id}` };
  const topic = definition.topic?.url ?? "";
  const shown = facts.events.map(({ number, version }) => ({
    number: String(number),
    timestamp: instant(version.at),
    focus: content === "empty" ? undefined : { reference: `${base}/${version.type}/${version.id}` },
  }));
  if (behaviour.kind === "r4-topics") {
    return {
      resourceType: "Parameters",
      id: randomUUID(),
      meta: {
        profile: [
          "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4",
        ],
      },
      parameter: [
        { name: "subscription", valueReference: reference },
        { name: "topic", valueCanonical: topic },
        { name: "status", valueCode: status },
        { name: "type", valueCode: type },
        { name: "events-since-subscription-start", valueString: String(eventCount) },
        ...shown.map(({ number, timestamp, focus }) => ({
          name: "notification-event",
          part: [
            { name: "event-number", valueString: number },
            { name: "timestamp", valueInstant: timestamp },
            ...(focus === undefined ? [] : [{ name: "focus", valueReference: focus }]),
          ],
        })),
      ],
    };
  }
  return {
    resourceType: "SubscriptionStatus",
    id: randomUUID(),
    status,
    type,
    eventsSinceSubscriptionStart: String(eventCount),
    ...(shown.length === 0
      ? {}
      : {
          notificationEvent: shown.map(({ number, timestamp, focus }) => ({
            eventNumber: number,
            timestamp,
            ...(focus === undefined ? {} : { focus }),
          })),
        }),
    subscription: reference,
    topic,
  };
}

/** A notification bundle: its first entry is the status. */
export function statusBundle(facts: StatusFacts): string {
  const { base, definition, behaviour, content } = facts;
  const status = statusResource(facts);
  const entries: BundleEntry[] = [
    {
      fullUrl: `urn:uuid:${String(status["id"])}`,
      resource: JSON.stringify(status),
      request: { method: "GET", url: `${base}/Subscription/${definition.id}/$status` },
      response: { status: "200" },
    },
  ];
  if (content !== "empty") {
    for (const { version } of facts.events) entries.push(eventEntry(base, version, content));
  }
  return bundleText({
    type: behaviour.kind === "r5-topics" ? "subscription-notification" : "history",
    entries,
  });
}

function eventEntry(base: string, version: StoredVersion, content: "id-only" | "full-resource"): BundleEntry {
  const { type, id, method, text } = version;
  const resource = content === "full-resource" ? text?.read() : undefined;
  return {
    fullUrl: `${base}/${type}/${id}`,
    ...(resource === undefined ? {} : { resource }),
    request: { method, url: method === "POST" ? type : `${type}/${id}` },
    response: { status: method === "DELETE" ? "204" : version.version === 1 ? "201" : "200" },
  };
}

/** A notification of a topic-based subscription. */
export function topicNotice(
  facts: StatusFacts & { readonly type: Exclude<Notice["kind"], "change"> },
): Notice {
  const { definition, type, events } = facts;
  return {
    subscription: definition.id,
    kind: type,
    method: "POST",
    url: definition.endpoint,
    headers: { "content-type": "application/fhir+json", ...headersOf(definition) },
    body: statusBundle(facts),
    events,
  };
}
