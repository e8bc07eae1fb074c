import { bundleText } from "../bundle.js";
import type { FhirRequest } from "../context.js";
import { FhirRefusal, fhirJson } from "../outcome.js";
import { notSupported } from "../rest/read.js";
import type { ServerContext } from "../server-context.js";

/** Parameters of an operation: of the query, or of a posted Parameters resource. */
async function parametersOf(request: FhirRequest): Promise<URLSearchParams> {
  if (request.method !== "POST") return request.query;
  const body = JSON.parse(String(await request.body())) as { parameter?: Record<string, unknown>[] };
  const found = new URLSearchParams();
  for (const parameter of body.parameter ?? []) {
    const key = Object.keys(parameter).find((name) => name.startsWith("value"));
    if (key !== undefined) found.append(String(parameter["name"]), String(parameter[key]));
  }
  return found;
}

function numberOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (!/^\d+$/.test(text)) throw new FhirRefusal(400, "value", "An event number is a whole number.");
  return Number(text);
}

/** `Subscription/$status` and `Subscription/[id]/$status`. */
export async function subscriptionStatus(
  context: ServerContext,
  request: FhirRequest,
  id: string | undefined,
): Promise<Response> {
  const { subscriptions } = context;
  if (subscriptions.behaviour.kind === "none" || !subscriptions.behaviour.status)
    throw notSupported("$status");
  const parameters = await parametersOf(request);
  const ids = id === undefined ? parameters.getAll("id").flatMap((ids) => ids.split(",")) : [id];
  const entries = subscriptions.statusTexts(ids).map((resource) => ({
    resource,
    search: { mode: "match" as const },
  }));
  return fhirJson(bundleText({ type: "searchset", total: entries.length, entries }));
}

/** `Subscription/[id]/$events`. */
export async function subscriptionEvents(
  context: ServerContext,
  request: FhirRequest,
  id: string,
): Promise<Response> {
  const { subscriptions } = context;
  if (subscriptions.behaviour.kind === "none" || !subscriptions.behaviour.events)
    throw notSupported("$events");
  const parameters = await parametersOf(request);
  const since = numberOf(parameters.get("eventsSinceNumber"));
  const until = numberOf(parameters.get("eventsUntilNumber"));
  const text = subscriptions.eventsText(id, {
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    content: parameters.get("content") ?? undefined,
  });
  return fhirJson(text);
}
