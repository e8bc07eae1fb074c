import { CapabilityTool, type FhirResource } from "fhir-kit-client";
import { isLakeError, mapConcurrently } from "#kernel";
import type { FhirHttp } from "../http/index.js";
import { probeHistory, probeWindows, type WindowSupport } from "./probes.js";
import { SourceClient } from "./source-client.js";

/** What a server says, and what it was found to do, about one type. */
export interface TypeCapabilities {
  readonly type: string;
  readonly read: boolean;
  readonly search: boolean;
  /** Found by asking for resources from before FHIR. */
  readonly lastUpdated: WindowSupport;
  /** `Type/_history` answers. */
  readonly history: boolean;
}

/** Levels of `$export` that the CapabilityStatement names. */
export interface ExportCapabilities {
  readonly system: boolean;
  readonly patient: boolean;
  readonly group: boolean;
}

/** What `.well-known/smart-configuration` says. */
export interface SmartCapabilities {
  readonly tokenUrl: string | undefined;
  readonly grantTypes: readonly string[];
  readonly signingAlgorithms: readonly string[];
}

/** Ways to fetch from a source, best first. */
export type FetchClient = "bulk" | "search+history" | "search";

/** What is known about a source, and what follows. */
export interface SourceCapabilities {
  /** Undefined when there is no CapabilityStatement. */
  readonly fhirVersion: string | undefined;
  readonly software: string | undefined;
  /** Types that the statement lists, sorted; empty without one. */
  readonly declaredTypes: readonly string[];
  /** Of the types asked for, in their order. */
  readonly types: readonly TypeCapabilities[];
  readonly systemHistory: boolean;
  readonly bulkExport: ExportCapabilities;
  readonly smart: SmartCapabilities | undefined;
  readonly client: FetchClient;
  /** Why that client, one sentence each; also where the statement was found to be wrong. */
  readonly reasons: readonly string[];
}

/** What to look at. */
export interface CapabilitiesRequest {
  readonly http: FhirHttp;
  /** Types to be fetched; those of the statement when absent (at most 30 are probed). */
  readonly types?: readonly string[] | undefined;
  readonly signal?: AbortSignal;
}

const MOST_PROBED = 30;
const PROBES_AT_ONCE = 4;

type Json = Readonly<Record<string, unknown>>;

function list(value: unknown): readonly Json[] {
  return Array.isArray(value)
    ? value.filter((item): item is Json => typeof item === "object" && item !== null)
    : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

/** Whether an operation list has `$export`, by its name or by the definition of the Bulk Data guide. */
function hasExport(operations: unknown, definition: RegExp): boolean {
  return list(operations).some((operation) => {
    const name = text(operation["name"])?.replace(/^\$/, "");
    const defined = text(operation["definition"]) ?? "";
    return name === "export"
      ? !/-export$/.test(defined) || definition.test(defined)
      : definition.test(defined);
  });
}

function exportLevels(tool: CapabilityTool): ExportCapabilities {
  const operations = (type: string): unknown =>
    tool.resourceCapabilities({ resourceType: type })?.["operation"];
  const server = tool.serverCapabilities()?.["operation"];
  return {
    system: hasExport(server, /\/(system-)?export$/),
    patient:
      hasExport(operations("Patient"), /\/patient-export$/) || hasDefinition(server, /\/patient-export$/),
    group: hasExport(operations("Group"), /\/group-export$/) || hasDefinition(server, /\/group-export$/),
  };
}

function hasDefinition(operations: unknown, definition: RegExp): boolean {
  return list(operations).some((operation) => definition.test(text(operation["definition"]) ?? ""));
}

/** The statement, or undefined when the server has none. Failures of network and credentials pass through. */
async function statementOf(client: SourceClient): Promise<FhirResource | undefined> {
  try {
    const statement = await client.kit.capabilityStatement();
    return statement.resourceType === "CapabilityStatement" ? statement : undefined;
  } catch (error) {
    if (isLakeError(error, "source/gone") || isLakeError(error, "source/refused")) return undefined;
    throw error;
  }
}

/** fhir-kit-client races three places for this and lets an empty answer win, so the one that the standard names is read. */
async function smartOf(
  http: FhirHttp,
  signal: AbortSignal | undefined,
): Promise<SmartCapabilities | undefined> {
  const answer = await http
    .json("GET", ".well-known/smart-configuration", {
      headers: { accept: "application/json" },
      expect: [200, 400, 401, 403, 404, 405, 406, 410, 501],
      ...(signal === undefined ? {} : { signal }),
    })
    .catch((error: unknown) => {
      if (isLakeError(error, "source/not-json")) return undefined;
      throw error;
    });
  if (answer?.status !== 200) return undefined;
  const body = answer.body as Json | null | undefined;
  return {
    tokenUrl: text(body?.["token_endpoint"]),
    grantTypes: texts(body?.["grant_types_supported"]),
    signingAlgorithms: texts(body?.["token_endpoint_auth_signing_alg_values_supported"]),
  };
}

async function typeOf(
  client: SourceClient,
  tool: CapabilityTool | undefined,
  type: string,
): Promise<TypeCapabilities> {
  const interactions = tool?.interactionsFor({ resourceType: type }) ?? [];
  const lastUpdated = await probeWindows(client, type);
  return {
    type,
    read: tool === undefined || interactions.includes("read"),
    search: lastUpdated !== "no-search",
    lastUpdated,
    history: await probeHistory(client, type),
  };
}

/** Where the statement says one thing and the server does another. */
function lies(tool: CapabilityTool | undefined, types: readonly TypeCapabilities[]): string[] {
  if (tool === undefined) return [];
  const found: string[] = [];
  for (const { type, search, lastUpdated, history } of types) {
    const interactions = tool.interactionsFor({ resourceType: type });
    if (interactions.includes("search-type") && !search)
      found.push(`${type}: the statement promises search, which is refused.`);
    if (interactions.includes("history-type") && !history)
      found.push(`${type}: the statement promises a history, which is refused.`);
    const declared = tool.searchParamsFor({ resourceType: type }).includes("_lastUpdated");
    if (declared && lastUpdated === "ignored")
      found.push(`${type}: the statement promises _lastUpdated, which is ignored.`);
  }
  return found;
}

function choose(
  bulkExport: ExportCapabilities,
  types: readonly TypeCapabilities[],
  systemHistory: boolean,
): { client: FetchClient; reasons: string[] } {
  const levels = (["system", "patient", "group"] as const).filter((level) => bulkExport[level]);
  if (levels.length > 0) {
    return {
      client: "bulk",
      reasons: [
        `Bulk export is offered (${levels.join(", ")}): fewest requests, and one time for all types.`,
      ],
    };
  }
  const reasons = ["Bulk export is not offered."];
  const unwindowed = types.filter(({ lastUpdated }) => lastUpdated !== "honoured").map(({ type }) => type);
  if (unwindowed.length > 0) {
    reasons.push(`Not searchable by time, so fetched whole each time: ${unwindowed.join(", ")}.`);
  }
  const without = types.filter(({ history }) => !history).map(({ type }) => type);
  if (without.length === 0 || systemHistory) {
    const place = without.length === 0 ? "of every type" : "of the whole system";
    return {
      client: "search+history",
      reasons: [...reasons, `Histories ${place} list deletes and versions.`],
    };
  }
  return {
    client: "search",
    reasons: [...reasons, `No history of ${without.join(", ")}: deletes are only found by comparing ids.`],
  };
}

/**
 * What a server offers, by its CapabilityStatement and SMART configuration and, because statements are often wrong, by two small requests
 * per type; and the way to fetch that follows. Errors: those of requests, when the server cannot be reached or refuses the credentials.
 */
export async function readCapabilities(request: CapabilitiesRequest): Promise<SourceCapabilities> {
  const client = new SourceClient(request.http, request.signal);
  const statement = await statementOf(client);
  const tool = statement && new CapabilityTool(statement);
  const smart = await smartOf(request.http, request.signal);
  const declaredTypes = list(tool?.serverCapabilities()?.["resource"])
    .map((resource) => text(resource["type"]))
    .filter((type) => type !== undefined)
    .sort();
  const wanted = request.types ?? declaredTypes.slice(0, MOST_PROBED);
  const types = await mapConcurrently(wanted, PROBES_AT_ONCE, (type) => typeOf(client, tool, type));
  const lacking = types.length === 0 || types.some(({ history }) => !history);
  const systemHistory = lacking ? await probeHistory(client, undefined) : serverSays(tool, "history-system");
  const bulkExport =
    tool === undefined ? { system: false, patient: false, group: false } : exportLevels(tool);
  const { client: chosen, reasons } = choose(bulkExport, types, systemHistory);
  const software = statement?.["software"] as Json | undefined;
  const named = [text(software?.["name"]), text(software?.["version"])].filter((part) => part !== undefined);
  return {
    fhirVersion: text(statement?.["fhirVersion"]),
    software: named.length === 0 ? undefined : named.join(" "),
    declaredTypes,
    types,
    systemHistory,
    bulkExport,
    smart,
    client: chosen,
    reasons: [...reasons, ...lies(tool, types)],
  };
}

function serverSays(tool: CapabilityTool | undefined, interaction: string): boolean {
  return list(tool?.serverCapabilities()?.["interaction"]).some(({ code }) => code === interaction);
}
