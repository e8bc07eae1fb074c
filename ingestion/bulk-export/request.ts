import { createHash } from "node:crypto";
import { LakeError } from "#kernel";
import { badSettings, type HttpMethod, type JsonRequest } from "../http/index.js";
import type { ExportLevel, ExportRequest } from "./options.js";

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
const TYPE = /^[A-Z][A-Za-z]{1,63}$/;
const ID = /^[A-Za-z0-9\-.]{1,64}$/;
/** Search parameters that change what a resource looks like or add others. */
const NOT_FILTERS = /[?&](_sort|_include|_revinclude|_elements|_summary|_count)(:[a-z]+)?=/;

/** True for a FHIR instant: date, time with seconds, and zone. */
export function isInstant(text: string): boolean {
  return INSTANT.test(text) && !Number.isNaN(Date.parse(text));
}

/** Refuses a request that no server can answer or whose answer could not be stored. */
export function checkRequest(request: ExportRequest): void {
  const { types = [], since, until, typeFilters = [], level } = request;
  for (const type of types) {
    if (!TYPE.test(type)) throw badSettings(`'${type}' is no resource type.`);
  }
  for (const instant of [since, until]) {
    if (instant !== undefined && !isInstant(instant)) {
      throw badSettings(
        "since and until must be instants with seconds and a time zone, such as 2026-11-21T04:00:00Z.",
      );
    }
  }
  if (level.kind === "group" && !ID.test(level.id)) throw badSettings("The Group's id is no FHIR id.");
  for (const filter of typeFilters) checkFilter(filter, types);
  if ((request.patients?.length ?? 0) > 0) checkPatients(request);
  if ((request.elements?.length ?? 0) > 0 && request.idsOnly !== true) {
    throw new LakeError(
      "invalid-input",
      "source/subsetted",
      "An export with elements gives resources that are cut down and would replace whole ones; leave elements out, or ask for ids only.",
    );
  }
}

function checkFilter(filter: string, types: readonly string[]): void {
  const type = /^([A-Z][A-Za-z]+)\?.+/.exec(filter)?.[1];
  if (type === undefined) throw badSettings("A type filter must be written as Type?parameter=value.");
  if (types.length > 0 && !types.includes(type)) {
    throw badSettings(
      `A type filter is for ${type}, which is not among the types; add it or remove the filter.`,
    );
  }
  if (NOT_FILTERS.test(filter)) {
    throw badSettings("A type filter can hold search criteria only, no sorting, including or cutting down.");
  }
}

function checkPatients({ patients = [], kickoff, level }: ExportRequest): void {
  if (kickoff !== "POST" || level.kind === "system") {
    throw badSettings("Single patients can be exported by POST at patient or group level only.");
  }
  if (!patients.every((id) => ID.test(id))) throw badSettings("One of the patients' ids is no FHIR id.");
}

/** A name for the request: two with the same hash may share their work in progress. */
export function requestHash(base: URL, request: ExportRequest): string {
  const parts = [
    base.href,
    request.level,
    [...(request.types ?? [])].sort(),
    request.since ?? null,
    request.until ?? null,
    [...(request.typeFilters ?? [])].sort(),
    [...(request.elements ?? [])].sort(),
    request.idsOnly ?? false,
    request.outputFormat ?? null,
    [...(request.patients ?? [])].sort(),
    [...(request.includeAssociatedData ?? [])].sort(),
    request.kickoff ?? "GET",
    request.typeList ?? null,
    request.allowPartialManifests ?? false,
  ];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

function pathOf(level: ExportLevel): string {
  switch (level.kind) {
    case "system":
      return "$export";
    case "patient":
      return "Patient/$export";
    case "group":
      return `Group/${level.id}/$export`;
  }
}

type Parameter = readonly [
  name: string,
  kind: "valueString" | "valueInstant" | "valueBoolean" | "valueReference",
  value: string,
];

function parametersOf(request: ExportRequest, repeat: boolean): Parameter[] {
  const { types = [], since, until, outputFormat } = request;
  const texts = (name: string, values: readonly string[] = []): Parameter[] =>
    values.map((value) => [name, "valueString", value]);
  return [
    ...texts("_outputFormat", outputFormat === undefined ? [] : [outputFormat]),
    ...(since === undefined ? [] : [["_since", "valueInstant", since] as const]),
    ...(until === undefined ? [] : [["_until", "valueInstant", until] as const]),
    ...texts("_type", repeat || types.length === 0 ? types : [types.join(",")]),
    ...texts("_typeFilter", request.typeFilters),
    ...texts("_elements", request.elements?.length ? [request.elements.join(",")] : []),
    ...(request.patients ?? []).map((id): Parameter => ["patient", "valueReference", `Patient/${id}`]),
    ...texts("includeAssociatedData", request.includeAssociatedData),
    ...(request.allowPartialManifests === true
      ? [["allowPartialManifests", "valueBoolean", "true"] as const]
      : []),
  ];
}

function parameterJson([name, kind, value]: Parameter): Readonly<Record<string, unknown>> {
  switch (kind) {
    case "valueBoolean":
      return { name, valueBoolean: value === "true" };
    case "valueReference":
      return { name, valueReference: { reference: value } };
    default:
      return { name, [kind]: value };
  }
}

/** The request that starts the export. */
export function kickoffRequest(request: ExportRequest): {
  readonly method: HttpMethod;
  readonly path: string;
  readonly request: Pick<JsonRequest, "headers" | "query" | "body" | "echoDiagnostics">;
} {
  const method = request.kickoff ?? "GET";
  const repeat = (request.typeList ?? (method === "POST" ? "repeat" : "comma")) === "repeat";
  const parameters = parametersOf(request, repeat);
  const headers = { prefer: "respond-async" };
  // Refusals name parameters; only patients' ids among them could stand for persons.
  const echoDiagnostics = request.patients === undefined;
  const path = pathOf(request.level);
  if (method === "POST") {
    const body = { resourceType: "Parameters", parameter: parameters.map(parameterJson) };
    return { method, path, request: { headers, body, echoDiagnostics } };
  }
  const names = new Set(parameters.map(([name]) => name));
  const query = Object.fromEntries(
    [...names].map((name) => [name, parameters.filter(([n]) => n === name).map(([, , value]) => value)]),
  );
  return { method, path, request: { headers, query, echoDiagnostics } };
}
