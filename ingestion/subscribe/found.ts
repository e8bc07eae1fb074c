import {
  filterText,
  MEDPLUM_INTERACTION,
  type SubscribeSettings,
  subscriptionKey,
  TAG_SYSTEM,
} from "./wanted.js";

/** A Subscription as the server has it. */
export interface FoundSubscription {
  readonly id: string;
  /** See {@link subscriptionKey}. */
  readonly key: string;
  /** Criteria or topic, for people. */
  readonly about: string;
  readonly endpoint: string;
  /** `requested`, `active`, `error`, `off` or another code of the server's. */
  readonly status: string;
  /** FHIR instant; undefined when it does not end. */
  readonly end: string | undefined;
  /** Digest that was written with it, see `WantedSubscription.form`; undefined where there is none. */
  readonly form: string | undefined;
  /** It is this lake's to change and to remove. */
  readonly isOurs: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const FILTER = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria";
const FORM = /\(form ([0-9a-f]{16})\)$/;

function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(object) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function extension(element: unknown, url: string, value: string): string[] {
  return list(object(element)["extension"])
    .filter((one) => one["url"] === url)
    .map((one) => text(one[value]));
}

/**
 * Reads a Subscription of R4, R4B or R5. It is ours when it points below our own address, or carries the tag that the configuration names;
 * nothing else is ever taken for ours, so another lake's or another program's Subscriptions stay as they are.
 */
export function readSubscription(
  resource: Json,
  ours: Pick<SubscribeSettings, "endpointBase" | "tag">,
): FoundSubscription {
  const channel = object(resource["channel"]);
  const isR5 = resource["topic"] !== undefined;
  const endpoint = text(isR5 ? resource["endpoint"] : channel["endpoint"]);
  const about = text(isR5 ? resource["topic"] : resource["criteria"]);
  const filters = isR5
    ? list(resource["filterBy"]).map(filterText)
    : extension(resource["_criteria"], FILTER, "valueString");
  const [interaction = ""] = extension(resource, MEDPLUM_INTERACTION, "valueCode");
  const tags = list(object(resource["meta"])["tag"]);
  const tagged =
    ours.tag !== undefined && tags.some((tag) => tag["system"] === TAG_SYSTEM && tag["code"] === ours.tag);
  const end = text(resource["end"]);
  return {
    id: text(resource["id"]),
    key: subscriptionKey(about, filters, interaction),
    about,
    endpoint,
    status: text(resource["status"]),
    end: end === "" ? undefined : end,
    form: FORM.exec(text(resource["reason"]))?.[1],
    isOurs: tagged || (endpoint.startsWith(ours.endpointBase) && endpoint.length > ours.endpointBase.length),
  };
}
