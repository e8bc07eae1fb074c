/** What the first entry of a topic-based notification says. Numbers are undefined where the server gave none. */
export interface TopicStatus {
  /** Last part of the reference to the Subscription. */
  readonly subscription: string | undefined;
  readonly type: "handshake" | "heartbeat" | "event-notification" | "query-status" | "query-event";
  readonly eventsSinceStart: number | undefined;
  readonly events: readonly TopicEvent[];
  /** Code of the subscription's own error, if it tells one. */
  readonly status: string | undefined;
}

/** One event of a notification. */
export interface TopicEvent {
  readonly number: number | undefined;
  /** `Type/id` of what the event is about; undefined with the payload `empty`. */
  readonly focus: { readonly type: string; readonly id: string } | undefined;
}

type Json = Readonly<Record<string, unknown>>;

const TYPES = new Set(["handshake", "heartbeat", "event-notification", "query-status", "query-event"]);
const REFERENCE =
  /(?:^|\/)([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objects(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** R4 and R4B write event numbers as text, R5 as an integer64, which is text in JSON too; some servers send numbers. */
function count(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** Type and id of a relative or absolute reference; where it points to is never followed. */
export function referenceTarget(value: unknown): { type: string; id: string } | undefined {
  const match = REFERENCE.exec(text(isObject(value) ? value["reference"] : value) ?? "");
  return match === null ? undefined : { type: match[1]!, id: match[2]! };
}

/** The parts of R4 Parameters as an object, first value of each name; `value[x]` whatever its type. */
function named(parameters: readonly Json[]): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const parameter of parameters) {
    const name = text(parameter["name"]);
    if (name === undefined || values.has(name)) continue;
    const key = Object.keys(parameter).find((candidate) => candidate.startsWith("value"));
    values.set(name, key === undefined ? undefined : parameter[key]);
  }
  return values;
}

function fromParameters(resource: Json): TopicStatus | undefined {
  const parameters = objects(resource["parameter"]);
  const values = named(parameters);
  const type = text(values.get("type"));
  if (type === undefined || !TYPES.has(type)) return undefined;
  const events = parameters.filter((parameter) => parameter["name"] === "notification-event");
  return {
    subscription: referenceTarget(values.get("subscription"))?.id,
    type: type as TopicStatus["type"],
    eventsSinceStart: count(values.get("events-since-subscription-start")),
    events: events.map((event) => {
      const parts = named(objects(event["part"]));
      return { number: count(parts.get("event-number")), focus: referenceTarget(parts.get("focus")) };
    }),
    status: text(values.get("status")),
  };
}

function fromStatus(resource: Json): TopicStatus | undefined {
  const type = text(resource["type"]);
  if (type === undefined || !TYPES.has(type)) return undefined;
  return {
    subscription: referenceTarget(resource["subscription"])?.id,
    type: type as TopicStatus["type"],
    eventsSinceStart: count(resource["eventsSinceSubscriptionStart"]),
    events: objects(resource["notificationEvent"]).map((event) => ({
      number: count(event["eventNumber"]),
      focus: referenceTarget(event["focus"]),
    })),
    status: text(resource["status"]),
  };
}

/**
 * Reads the status of a topic-based notification: R4 `Parameters` (Subscriptions R5 Backport 1.1, backport-subscription-status-r4) or
 * R4B and R5 `SubscriptionStatus`. Undefined when the resource is neither.
 */
export function readTopicStatus(resource: unknown): TopicStatus | undefined {
  if (!isObject(resource)) return undefined;
  if (resource["resourceType"] === "Parameters") return fromParameters(resource);
  return resource["resourceType"] === "SubscriptionStatus" ? fromStatus(resource) : undefined;
}
