import type { Authorization } from "./auth/authorization.js";
import { smartConfiguration } from "./auth/token-endpoint.js";
import type { FhirRequest } from "./context.js";
import { requiresAccessToken } from "./export/manifest.js";
import { deleteJob, kickOff, pollJob, serveFile } from "./export/routes.js";
import { prettyJson } from "./json-text.js";
import { FhirRefusal, fhirJson, refusalResponse } from "./outcome.js";
import { capabilityStatement } from "./rest/capability.js";
import { readHistory } from "./rest/history.js";
import { readResource, readVersion } from "./rest/read.js";
import { searchResources } from "./rest/search.js";
import { runTransaction } from "./rest/transaction.js";
import { createResource, deleteResource, updateResource } from "./rest/write.js";
import type { ServerContext } from "./server-context.js";
import { subscriptionEvents, subscriptionStatus } from "./subscription/routes.js";

/** What routing needs beside the context of the handlers. */
export interface Routing {
  readonly context: ServerContext;
  readonly authorization: Authorization;
  readonly fileOrigin: string;
  readonly tokenUrl: string | undefined;
  readonly scopes: readonly string[] | undefined;
}

/** Answers a request below the FHIR base; refusals become OperationOutcomes. */
export async function answerFhir(routing: Routing, request: Omit<FhirRequest, "client">): Promise<Response> {
  try {
    const open = openAnswer(routing, request);
    if (open !== undefined) return open;
    const client = routing.authorization.client(request.headers.get("authorization"));
    return await route(routing, { ...request, client });
  } catch (error) {
    if (error instanceof FhirRefusal) return refusalResponse(error);
    throw error;
  }
}

/** What is answered without credentials. */
function openAnswer(routing: Routing, request: Omit<FhirRequest, "client">): Response | undefined {
  const { context } = routing;
  const [first, second, third] = request.segments;
  if (first === "metadata") return fhirJson(capabilityStatement(context));
  if (first === ".well-known" && second === "smart-configuration") {
    if (routing.tokenUrl === undefined) throw new FhirRefusal(404, "not-found", "No SMART here.");
    return fhirJson(smartConfiguration(routing.tokenUrl, routing.scopes), {
      headers: { "content-type": "application/json" },
    });
  }
  const isFile = first === "_files" || (first === "Binary" && third !== undefined && second !== undefined);
  if (!isFile || third === "_history") return undefined;
  if (requiresAccessToken(context)) routing.authorization.client(request.headers.get("authorization"));
  return serveFile(context, { ...request, client: "" }, second ?? "", third ?? "", routing.fileOrigin);
}

async function route(routing: Routing, request: FhirRequest): Promise<Response> {
  const { context } = routing;
  const { method, segments } = request;
  const [first, second, third, fourth] = segments;
  if (first === undefined) return routeBase(context, request);
  if (first === "$export") return kickOff(context, request, { kind: "system" });
  if (first === "$export-poll-status") {
    const id = request.query.get("_jobId") ?? "";
    return routeJob(context, method, id, Number(request.query.get("page") ?? 0));
  }
  if (first === "_jobs") return routeJob(context, method, second ?? "", Number(fourth ?? 0));
  if (first === "_history") return readHistory(context, request, undefined, undefined);
  if (!/^[A-Z][A-Za-z]+$/.test(first)) throw unknownRoute(method);
  if (first === "Patient" && second === "$export") return kickOff(context, request, { kind: "patient" });
  if (first === "Group" && third === "$export")
    return kickOff(context, request, { kind: "group", id: second ?? "" });
  if (first === "Subscription" && second === "$status")
    return subscriptionStatus(context, request, undefined);
  if (first === "Subscription" && third === "$status") return subscriptionStatus(context, request, second);
  if (first === "Subscription" && third === "$events")
    return subscriptionEvents(context, request, second ?? "");
  if (second === undefined) {
    if (method === "GET") return searchResources(context, request, first);
    if (method === "POST") return createResource(context, request, first);
    throw unknownRoute(method);
  }
  if (second === "_search" && method === "POST") return searchResources(context, request, first);
  if (second === "_history" && method === "GET") return readHistory(context, request, first, undefined);
  return routeInstance(context, request, first, second, third, fourth);
}

async function routeBase(context: ServerContext, request: FhirRequest): Promise<Response> {
  if (request.method === "POST") return runTransaction(context, request);
  if (request.method !== "GET") throw unknownRoute(request.method);
  if (!context.pages.names(request.query)) return searchResources(context, request, undefined);
  const text = context.pages.page(context.base, request.query);
  return fhirJson(context.profile.prettyPrint ? prettyJson(Buffer.from(text)) : text);
}

function routeJob(context: ServerContext, method: string, id: string, page: number): Response {
  if (method === "DELETE") return deleteJob(context, id);
  if (method === "GET") return pollJob(context, id, page);
  throw unknownRoute(method);
}

async function routeInstance(
  context: ServerContext,
  request: FhirRequest,
  type: string,
  id: string,
  third: string | undefined,
  fourth: string | undefined,
): Promise<Response> {
  const { method } = request;
  if (third === "_history" && method === "GET") {
    if (fourth === undefined) return readHistory(context, request, type, id);
    return readVersion(context, type, id, fourth);
  }
  if (third !== undefined) throw unknownRoute(method);
  if (method === "GET") return readResource(context, request, type, id);
  if (method === "PUT") return updateResource(context, request, type, id);
  if (method === "DELETE") return deleteResource(context, request, type, id);
  throw unknownRoute(method);
}

function unknownRoute(method: string): FhirRefusal {
  return new FhirRefusal(404, "not-supported", `This server does not answer ${method} here.`);
}
