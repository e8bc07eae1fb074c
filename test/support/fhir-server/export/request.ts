import type { DataContext, FhirRequest } from "../context.js";
import { FhirRefusal } from "../outcome.js";
import { COMMON_TYPES } from "../rest/capability.js";
import { instantValue } from "../search/time-range.js";

/** Where an export was asked for. */
export type ExportLevel =
  | { readonly kind: "system" }
  | { readonly kind: "patient" }
  | { readonly kind: "group"; readonly id: string };

/** A kick-off as understood. Times are milliseconds since 1970. */
export interface ExportRequest {
  readonly level: ExportLevel;
  readonly url: string;
  readonly types: readonly string[] | undefined;
  readonly since: number | undefined;
  readonly until: number | undefined;
  /** Searches per type; a resource of the type must meet one of them. */
  readonly typeFilters: ReadonlyMap<string, readonly string[]>;
  readonly elements: readonly string[];
  readonly patients: ReadonlySet<string> | undefined;
  readonly partialManifests: boolean;
  /** Names of parameters that were not honoured. */
  readonly ignored: readonly string[];
}

const FORMATS = new Set(["application/fhir+ndjson", "application/ndjson", "ndjson"]);
const KNOWN = new Set([
  "_outputFormat",
  "_since",
  "_until",
  "_type",
  "_typeFilter",
  "_elements",
  "patient",
  "includeAssociatedData",
  "allowPartialManifests",
  "organizeOutputBy",
]);

/** Reads and checks a kick-off (Bulk Data Access STU3, "Bulk Data Kick-off Request"). */
export async function readKickoff(
  context: DataContext,
  request: FhirRequest,
  level: ExportLevel,
): Promise<ExportRequest> {
  const rules = context.profile.export;
  if (!rules.levels.includes(level.kind))
    throw new FhirRefusal(404, "not-supported", `This server has no $export at ${level.kind} level.`);
  if (!(rules.kickoff as readonly string[]).includes(request.method))
    throw new FhirRefusal(405, "not-supported", `$export is not offered by ${request.method}.`);
  checkHeaders(context, request);
  const parameters =
    request.method === "POST" ? postedParameters(await request.body()) : [...request.query.entries()];
  const reader = new ParameterReader(context, request, parameters);
  return reader.read(level);
}

function checkHeaders(context: DataContext, request: FhirRequest): void {
  if (request.headers.get("prefer")?.includes("respond-async") !== true)
    throw new FhirRefusal(400, "required", "The header 'Prefer: respond-async' is required.");
  const accept = request.headers.get("accept") ?? "*/*";
  const acceptable = context.profile.export.strictHeaders
    ? accept.includes("application/fhir+json")
    : /json|\*\/\*/.test(accept);
  if (!acceptable)
    throw new FhirRefusal(400, "required", "The header 'Accept: application/fhir+json' is required.");
}

function postedParameters(body: Buffer): [string, string][] {
  let parsed: { resourceType?: unknown; parameter?: Record<string, unknown>[] };
  try {
    parsed = JSON.parse(body.toString()) as typeof parsed;
  } catch {
    throw new FhirRefusal(400, "structure", "The body is no JSON.");
  }
  if (parsed.resourceType !== "Parameters")
    throw new FhirRefusal(400, "invalid", "The body must be a Parameters resource.");
  return (parsed.parameter ?? []).map((parameter) => {
    const entry = Object.entries(parameter).find(([name]) => name.startsWith("value"));
    const value = entry?.[1] as { reference?: string } | string | boolean | undefined;
    const text = typeof value === "object" ? (value.reference ?? "") : String(value ?? "");
    return [String(parameter["name"]), text];
  });
}

class ParameterReader {
  readonly #context: DataContext;
  readonly #request: FhirRequest;
  readonly #parameters: readonly (readonly [string, string])[];
  readonly #lenient: boolean;
  readonly #ignored: string[] = [];

  constructor(
    context: DataContext,
    request: FhirRequest,
    parameters: readonly (readonly [string, string])[],
  ) {
    this.#context = context;
    this.#request = request;
    this.#parameters = parameters;
    this.#lenient = request.headers.get("prefer")?.includes("handling=lenient") === true;
  }

  read(level: ExportLevel): ExportRequest {
    const { profile, base } = this.#context;
    const rules = profile.export;
    for (const [name] of this.#parameters)
      if (!KNOWN.has(name)) this.#refuse(name, rules.unknownParameters === "ignored");
    for (const name of ["includeAssociatedData", "organizeOutputBy"])
      if (this.#all(name).length > 0) this.#refuse(name, rules.unknownParameters === "ignored");
    const format = this.#one("_outputFormat");
    if (format !== undefined && !FORMATS.has(format))
      throw new FhirRefusal(400, "not-supported", "Files are written as application/fhir+ndjson only.");
    const query =
      this.#request.query.size > 0 && this.#request.method === "GET" ? `?${this.#request.query}` : "";
    return {
      level,
      url: `${base}/${this.#request.segments.join("/")}${query}`,
      types: this.#types(),
      since: this.#instant("_since", rules.since),
      until: this.#instant("_until", rules.until),
      typeFilters: this.#typeFilters(),
      elements: this.#elements(),
      patients: this.#patients(level),
      partialManifests: rules.partialManifests && this.#one("allowPartialManifests") === "true",
      ignored: this.#ignored,
    };
  }

  #all(name: string): string[] {
    return this.#parameters.filter(([given]) => given === name).map(([, value]) => value);
  }

  #one(name: string): string | undefined {
    const values = this.#all(name);
    if (values.length > 1) throw new FhirRefusal(400, "invalid", `${name} is given more than once.`);
    return values[0];
  }

  #refuse(name: string, ignore: boolean): void {
    if (!ignore && !this.#lenient)
      throw new FhirRefusal(400, "not-supported", `The export parameter '${name}' is not supported.`);
    this.#ignored.push(name);
  }

  /** Whether a parameter of this support is to be read. */
  #supported(name: string, support: string): boolean {
    if (this.#all(name).length === 0) return false;
    if (support === "refused") {
      this.#refuse(name, false);
      return false;
    }
    if (support === "ignored") this.#ignored.push(name);
    return support !== "ignored";
  }

  #instant(name: "_since" | "_until", support: string): number | undefined {
    if (!this.#supported(name, support)) return undefined;
    return instantValue(name, this.#one(name)!);
  }

  #types(): readonly string[] | undefined {
    const given = this.#all("_type");
    if (given.length === 0) return undefined;
    if (given.length > 1 && !this.#context.profile.export.repeatedType)
      throw new FhirRefusal(400, "invalid", "_type must be given once, as a comma list.");
    const types = [...new Set(given.flatMap((value) => value.split(",")))];
    const known = new Set([...COMMON_TYPES, ...this.#context.store.types()]);
    for (const type of types) {
      if (known.has(type)) continue;
      if (!this.#lenient) throw new FhirRefusal(400, "not-supported", `There is no type '${type}' here.`);
      this.#ignored.push("_type");
    }
    return types.filter((type) => known.has(type));
  }

  #typeFilters(): Map<string, string[]> {
    const filters = new Map<string, string[]>();
    const support = this.#context.profile.export.typeFilter;
    if (!this.#supported("_typeFilter", support)) return filters;
    for (const value of this.#all("_typeFilter").flatMap((one) =>
      one.split(/(?<!\\),(?=[A-Z][A-Za-z]+\?)/),
    )) {
      const [type = "", search = ""] = value.split(/\?(.*)/s);
      if (!/^[A-Z][A-Za-z]+$/.test(type))
        throw new FhirRefusal(400, "value", "_typeFilter must be written as Type?search.");
      if (/(?:^|&)_(?:sort|include|revinclude)/.test(search))
        throw new FhirRefusal(400, "value", "_typeFilter must not sort or include.");
      const known = filters.get(type);
      if (support === "one-per-type" && (known !== undefined || type === "Patient"))
        throw new FhirRefusal(400, "not-supported", "One _typeFilter per type is allowed, none for Patient.");
      if (known === undefined) filters.set(type, [search]);
      else known.push(search);
    }
    return filters;
  }

  #elements(): readonly string[] {
    if (!this.#supported("_elements", this.#context.profile.export.elements)) return [];
    return this.#all("_elements").flatMap((value) => value.split(","));
  }

  #patients(level: ExportLevel): ReadonlySet<string> | undefined {
    const given = this.#all("patient");
    if (given.length === 0) return undefined;
    if (this.#request.method !== "POST" || level.kind === "system")
      throw new FhirRefusal(400, "invalid", "'patient' is for POST at patient and group level.");
    return new Set(given.map((reference) => reference.replace(/^.*Patient\//, "")));
  }
}
