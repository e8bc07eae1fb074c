import { FhirRefusal } from "../outcome.js";
import type { EhrProfile } from "../profile.js";
import type { Filter } from "../search/match.js";
import { parseQuery } from "../search/query.js";
import type { SubscriptionBehaviour, Topic } from "./behaviour.js";

/** Which changes a subscription is about. */
export interface Selection {
  /** Undefined: every type. */
  readonly type: string | undefined;
  readonly filters: readonly Filter[];
}

/** A Subscription resource as understood. */
export interface Definition {
  readonly id: string;
  readonly status: string;
  readonly endpoint: string;
  readonly headers: readonly (readonly [string, string])[];
  /** By criteria; empty for topics. */
  readonly criteria: readonly Selection[];
  readonly topic: Topic | undefined;
  /** Filters of a topic: a change must meet all that are about its type. */
  readonly filters: readonly Selection[];
  /** Undefined: a notification without a body. */
  readonly contentType: string | undefined;
  readonly content: "empty" | "id-only" | "full-resource";
  readonly heartbeatSeconds: number | undefined;
  readonly maxCount: number;
  readonly endMs: number | undefined;
  /** HAPI's extension: deletes are sent. */
  readonly sendDeletes: boolean;
  /** Medplum's extensions. */
  readonly interaction: string | undefined;
  readonly secret: string | undefined;
}

type Json = Readonly<Record<string, unknown>>;

const BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";
const HAPI_DELETES = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages";
const MEDPLUM_INTERACTION = "https://medplum.com/fhir/StructureDefinition/subscription-supported-interaction";
const MEDPLUM_SECRET = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret";

function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(object) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Values of an element's extensions of that URL. */
function extensions(element: unknown, url: string): unknown[] {
  return list(object(element)["extension"])
    .filter((extension) => extension["url"] === url)
    .map((extension) => {
      const key = Object.keys(extension).find((name) => name.startsWith("value"));
      return key === undefined ? undefined : extension[key];
    });
}

function refuse(message: string): never {
  throw new FhirRefusal(422, "invalid", message);
}

/** `Type?parameters`, `Type`, `[Type]`, `[*]`. */
function selection(criteria: string, profile: EhrProfile): Selection {
  const bracketed = /^\[([A-Z][A-Za-z]+|\*)\]$/.exec(criteria);
  if (bracketed !== null)
    return { type: bracketed[1] === "*" ? undefined : (bracketed[1] ?? ""), filters: [] };
  const match = /^([A-Z][A-Za-z]+)(?:\?(.*))?$/.exec(criteria);
  if (match === null) return refuse("The criteria are no search of a type.");
  const { filters } = parseQuery(new URLSearchParams(match[2] ?? ""), profile, true);
  return { type: match[1]!, filters };
}

function endOf(resource: Json): number | undefined {
  const end = text(resource["end"]);
  if (end === undefined) return undefined;
  const ms = Date.parse(end);
  return Number.isNaN(ms) ? refuse("Subscription.end is no instant.") : ms;
}

function httpUrl(value: unknown): string {
  const url = text(value) ?? "";
  return /^https?:\/\//.test(url) ? url : refuse("A rest-hook needs an http or https endpoint.");
}

function headerLine(line: unknown): readonly [string, string] {
  const match = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(String(line));
  return match === null ? refuse("A header is written 'Name: value'.") : [match[1]!, match[2]!];
}

function contentOf(value: unknown): Definition["content"] {
  if (value === "empty" || value === "id-only" || value === "full-resource") return value;
  return refuse("The payload content must be empty, id-only or full-resource.");
}

function count(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  return Number.isInteger(value) && (value as number) >= 0
    ? (value as number)
    : refuse("A period or count is a whole number.");
}

/** Reads R4 and R4B Subscriptions, which share their elements, and R5 ones. Refuses (422) what a server could not carry out. */
export function readDefinition(
  resource: Json,
  behaviour: SubscriptionBehaviour,
  profile: EhrProfile,
): Definition {
  const status = text(resource["status"]);
  if (status === undefined) return refuse("Subscription.status is missing.");
  return behaviour.kind === "r5-topics"
    ? readR5(resource, status, behaviour, profile)
    : readR4(resource, status, behaviour, profile);
}

function topicOf(url: string | undefined, behaviour: SubscriptionBehaviour): Topic {
  return behaviour.topics.find((topic) => topic.url === url) ?? refuse("This server has no such topic.");
}

function readR4(
  resource: Json,
  status: string,
  behaviour: SubscriptionBehaviour,
  profile: EhrProfile,
): Definition {
  const channel = object(resource["channel"]);
  if (channel["type"] !== "rest-hook") return refuse("Only rest-hook channels are served.");
  if (text(resource["reason"]) === undefined) return refuse("Subscription.reason is missing.");
  const criteria = text(resource["criteria"]) ?? refuse("Subscription.criteria is missing.");
  const byTopic = behaviour.kind.endsWith("-topics");
  const own = object(resource["_criteria"]);
  const headers = Array.isArray(channel["header"]) ? channel["header"].map(headerLine) : [];
  return {
    id: text(resource["id"]) ?? "",
    status,
    endpoint: httpUrl(channel["endpoint"]),
    headers,
    criteria: byTopic ? [] : [selection(criteria, profile)],
    topic: byTopic ? topicOf(criteria, behaviour) : undefined,
    filters: extensions(own, `${BACKPORT}backport-filter-criteria`).map((filter) =>
      selection(String(filter), profile),
    ),
    contentType: text(channel["payload"]),
    content: byTopic
      ? contentOf(extensions(channel["_payload"], `${BACKPORT}backport-payload-content`)[0])
      : "full-resource",
    heartbeatSeconds: count(extensions(channel, `${BACKPORT}backport-heartbeat-period`)[0]),
    maxCount: count(extensions(channel, `${BACKPORT}backport-max-count`)[0]) ?? 1,
    endMs: endOf(resource),
    sendDeletes: String(extensions(channel, HAPI_DELETES)[0]) === "true",
    interaction: text(extensions(resource, MEDPLUM_INTERACTION)[0]),
    secret: text(extensions(resource, MEDPLUM_SECRET)[0]),
  };
}

function readR5(
  resource: Json,
  status: string,
  behaviour: SubscriptionBehaviour,
  profile: EhrProfile,
): Definition {
  if (object(resource["channelType"])["code"] !== "rest-hook")
    return refuse("Only rest-hook channels are served.");
  const filters = list(resource["filterBy"]).map(({ resourceType, filterParameter, modifier, value }) =>
    selection(
      `${String(resourceType)}?${String(filterParameter)}${modifier === undefined ? "" : `:${String(modifier)}`}=${encodeURIComponent(String(value))}`,
      profile,
    ),
  );
  return {
    id: text(resource["id"]) ?? "",
    status,
    endpoint: httpUrl(resource["endpoint"]),
    headers: list(resource["parameter"]).map(({ name, value }) => [String(name), String(value)]),
    criteria: [],
    topic: topicOf(text(resource["topic"]), behaviour),
    filters,
    contentType: text(resource["contentType"]),
    content: contentOf(resource["content"]),
    heartbeatSeconds: count(resource["heartbeatPeriod"]),
    maxCount: count(resource["maxCount"]) ?? 1,
    endMs: endOf(resource),
    sendDeletes: false,
    interaction: undefined,
    secret: undefined,
  };
}
