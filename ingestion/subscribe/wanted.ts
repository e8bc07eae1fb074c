import { hash } from "node:crypto";

/** How a server wants its Subscriptions written. */
export type Dialect = "rest-hook" | "medplum" | "r4-topics" | "r4b-topics" | "r5-topics";

/** What of a change a notification carries. */
export type PayloadLevel = "empty" | "id-only" | "full-resource";

/** A topic to follow, with searches such as `Encounter?patient=Patient/1` that narrow it. */
export interface WantedTopic {
  readonly topic: string;
  readonly filters: readonly string[];
}

/** What a lake wants to be told by one source. */
export interface SubscribeSettings {
  readonly source: string;
  readonly dialect: Dialect;
  /** Where notifications of this source go, as its server reaches it, up to the secret: `https://lake/notify/<source>/`. */
  readonly endpointBase: string;
  /** The secret that is put behind it. */
  readonly pathSecret: string;
  /** A header that every notification must carry. */
  readonly header?: { readonly name: string; readonly value: string } | undefined;
  /** Key that a Medplum server signs with. */
  readonly signatureKey?: string | undefined;
  /** Searches, for dialects without topics. */
  readonly criteria: readonly string[];
  readonly topics: readonly WantedTopic[];
  readonly payload: PayloadLevel;
  /** Topic-based servers tell at least so often that they are there. */
  readonly heartbeatSeconds: number;
  /** Events that may come in one notification. */
  readonly maxCount: number;
  /** Ask for deletes by the server's extension (rest-hook, medplum). */
  readonly deletes: boolean;
  /** Marks Subscriptions as ours wherever they point; without it only those that point to `endpointBase` are. */
  readonly tag?: string | undefined;
}

/** A Subscription as it should stand on the server. */
export interface WantedSubscription {
  /** What it is about; a source has at most one Subscription of a key. */
  readonly key: string;
  /** Digest of everything else that matters, secrets included: another one means that it must be written again. */
  readonly form: string;
  /** The resource to send; it asks the server to begin. */
  resource(more: {
    readonly id?: string;
    readonly end?: string | undefined;
  }): Readonly<Record<string, unknown>>;
}

type Json = Record<string, unknown>;

/** System of the tags by which a lake finds its Subscriptions again. */
export const TAG_SYSTEM = "urn:fhir-lake:subscription";

const BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";
const HAPI_DELETES = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages";
/** Written by {@link wantedSubscriptions}, read by the comparison. */
export const MEDPLUM_INTERACTION =
  "https://medplum.com/fhir/StructureDefinition/subscription-supported-interaction";
const MEDPLUM_SECRET = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret";
const FHIR_JSON = "application/fhir+json";

/** Key of a Subscription by criteria or topic, filters in any order, and the one interaction it is about, if it is about one. */
export function subscriptionKey(about: string, filters: readonly string[], interaction = ""): string {
  return JSON.stringify([about, [...filters].sort(), interaction]);
}

function endpoint(settings: SubscribeSettings): string {
  return `${settings.endpointBase}${settings.pathSecret}`;
}

function meta(settings: SubscribeSettings, profile?: string): Json {
  return {
    tag: [{ system: TAG_SYSTEM, code: settings.tag ?? settings.source }],
    ...(profile === undefined ? {} : { profile: [profile] }),
  };
}

function criteriaResource(settings: SubscribeSettings, criteria: string, interaction: string): Json {
  const { dialect, header, signatureKey, payload, deletes } = settings;
  const extension =
    dialect === "medplum"
      ? [
          ...(interaction === "" ? [] : [{ url: MEDPLUM_INTERACTION, valueCode: interaction }]),
          ...(signatureKey === undefined ? [] : [{ url: MEDPLUM_SECRET, valueString: signatureKey }]),
        ]
      : [];
  return {
    resourceType: "Subscription",
    meta: meta(settings),
    ...(extension.length === 0 ? {} : { extension }),
    criteria,
    channel: {
      // Elsewhere than in the channel HAPI overlooks it.
      ...(dialect === "rest-hook" && deletes
        ? { extension: [{ url: HAPI_DELETES, valueBoolean: true }] }
        : {}),
      type: "rest-hook",
      endpoint: endpoint(settings),
      ...(payload === "empty" ? {} : { payload: FHIR_JSON }),
      ...(header === undefined ? {} : { header: [`${header.name}: ${header.value}`] }),
    },
  };
}

function backportResource(settings: SubscribeSettings, { topic, filters }: WantedTopic): Json {
  const { header, payload, heartbeatSeconds, maxCount } = settings;
  return {
    resourceType: "Subscription",
    meta: meta(settings, `${BACKPORT}backport-subscription`),
    criteria: topic,
    ...(filters.length === 0
      ? {}
      : {
          _criteria: {
            extension: filters.map((filter) => ({
              url: `${BACKPORT}backport-filter-criteria`,
              valueString: filter,
            })),
          },
        }),
    channel: {
      extension: [
        { url: `${BACKPORT}backport-heartbeat-period`, valueUnsignedInt: heartbeatSeconds },
        { url: `${BACKPORT}backport-max-count`, valuePositiveInt: maxCount },
      ],
      type: "rest-hook",
      endpoint: endpoint(settings),
      payload: FHIR_JSON,
      _payload: { extension: [{ url: `${BACKPORT}backport-payload-content`, valueCode: payload }] },
      ...(header === undefined ? {} : { header: [`${header.name}: ${header.value}`] }),
    },
  };
}

/** `Type?a=b&c:d=e` as R5 writes filters. */
function filterBy(filter: string): Json[] {
  const [resourceType = "", query = ""] = filter.split("?", 2);
  return [...new URLSearchParams(query)].map(([name, value]) => {
    const [filterParameter = "", modifier] = name.split(":", 2);
    return { resourceType, filterParameter, ...(modifier === undefined ? {} : { modifier }), value };
  });
}

/** {@link filterBy} backwards, one search per filter. */
export function filterText(filter: Readonly<Record<string, unknown>>): string {
  const { resourceType, filterParameter, modifier, value } = filter;
  const name = `${String(filterParameter)}${modifier === undefined ? "" : `:${String(modifier)}`}`;
  return `${String(resourceType)}?${name}=${String(value)}`;
}

function r5Resource(settings: SubscribeSettings, { topic, filters }: WantedTopic): Json {
  const { header, payload, heartbeatSeconds, maxCount } = settings;
  return {
    resourceType: "Subscription",
    meta: meta(settings),
    topic,
    ...(filters.length === 0 ? {} : { filterBy: filters.flatMap(filterBy) }),
    channelType: {
      system: "http://terminology.hl7.org/CodeSystem/subscription-channel-type",
      code: "rest-hook",
    },
    endpoint: endpoint(settings),
    ...(header === undefined ? {} : { parameter: [{ name: header.name, value: header.value }] }),
    heartbeatPeriod: heartbeatSeconds,
    contentType: FHIR_JSON,
    content: payload,
    maxCount,
  };
}

function wanted({ source, dialect }: SubscribeSettings, key: string, resource: Json): WantedSubscription {
  const form = hash("sha256", JSON.stringify(resource), "hex").slice(0, 16);
  return {
    key,
    form,
    resource: ({ id, end }) => ({
      ...resource,
      ...(id === undefined ? {} : { id }),
      // Medplum's Subscriptions begin with what they are written as; elsewhere only the server makes them active.
      status: dialect === "medplum" ? "active" : "requested",
      // Servers may hide headers and endpoints when they are read back; they leave this line alone.
      reason: `fhir-lake follows the source ${source} (form ${form})`,
      ...(end === undefined ? {} : { end }),
    }),
  };
}

/** The Subscriptions that a source should have. Sources: R4 Subscription, Subscriptions R5 Backport 1.1, R5 Subscription, HAPI, Medplum. */
export function wantedSubscriptions(settings: SubscribeSettings): WantedSubscription[] {
  const { dialect, criteria, topics, deletes } = settings;
  if (dialect === "r5-topics") {
    return topics.map((topic) =>
      wanted(
        settings,
        subscriptionKey(topic.topic, topic.filters.flatMap(filterBy).map(filterText)),
        r5Resource(settings, topic),
      ),
    );
  }
  if (dialect === "r4-topics" || dialect === "r4b-topics") {
    return topics.map((topic) =>
      wanted(settings, subscriptionKey(topic.topic, topic.filters), backportResource(settings, topic)),
    );
  }
  // One Subscription of Medplum tells either one interaction or all but deletes.
  const interactions = dialect === "medplum" && deletes ? ["", "delete"] : [""];
  return criteria.flatMap((one) =>
    interactions.map((interaction) =>
      wanted(settings, subscriptionKey(one, [], interaction), criteriaResource(settings, one, interaction)),
    ),
  );
}
