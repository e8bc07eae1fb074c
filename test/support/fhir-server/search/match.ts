import type { StoredVersion } from "../store.js";
import { CLINICAL_PARAMETERS, type ParameterKind, valuesAt } from "./parameters.js";
import { timeRange, timeTest } from "./time-range.js";

/** A resource under test; its JSON is parsed at most once, and only if a parameter looks into it. */
export class Candidate {
  readonly version: StoredVersion;
  #resource: unknown;

  constructor(version: StoredVersion) {
    this.version = version;
  }

  get resource(): unknown {
    this.#resource ??= JSON.parse(this.version.text?.read().toString() ?? "{}");
    return this.#resource;
  }
}

/** Decides on one candidate. */
export type Filter = (candidate: Candidate) => boolean;

/** The filter of one parameter, or undefined when the parameter is unknown. Commas in the value mean "or". */
export function parameterFilter(name: string, value: string): Filter | undefined {
  const wanted = splitValues(value);
  const any = (test: (one: string) => boolean) => wanted.some(test);
  const [plain = "", modifier] = name.split(":");
  if (plain === "_id") return ({ version }) => any((id) => id === version.id);
  if (plain === "_lastUpdated") {
    const tests = wanted.map(timeTest);
    return ({ version }) => tests.some((test) => test({ low: version.at, high: version.at + 1 }));
  }
  const parameter = CLINICAL_PARAMETERS[plain];
  if (parameter === undefined) return undefined;
  return (candidate) => {
    const values = parameter.paths.flatMap((path) => valuesAt(candidate.resource, path));
    const found = values.some((found) =>
      any((one) => valueMatches(parameter.kind, found, one, modifier ?? parameter.target)),
    );
    return modifier === "not" ? !found : found;
  };
}

function splitValues(value: string): string[] {
  return value.split(/(?<!\\),/).map((one) => one.replace(/\\([,$|\\])/g, "$1"));
}

function valueMatches(kind: ParameterKind, found: unknown, wanted: string, target?: string): boolean {
  switch (kind) {
    case "reference":
      return referenceMatches(found, wanted, target);
    case "token":
      return tokenMatches(found, wanted);
    case "string":
      return typeof found === "string" && found.toLowerCase().startsWith(wanted.toLowerCase());
    case "date":
      return typeof found === "string" && timeTest(wanted)(timeRange(found));
  }
}

/** `wanted` is an id, `Type/id` or a URL; an id alone means the type that the parameter or its modifier names, else any. */
function referenceMatches(found: unknown, wanted: string, type: string | undefined): boolean {
  const reference = (found as { reference?: unknown } | null)?.reference;
  if (typeof reference !== "string") return false;
  const full = wanted.includes("/") || type === undefined ? wanted : `${type}/${wanted}`;
  return reference === full || reference.endsWith(`/${full}`);
}

function tokenMatches(found: unknown, wanted: string): boolean {
  const bar = wanted.indexOf("|");
  const system = bar < 0 ? undefined : wanted.slice(0, bar);
  const code = bar < 0 ? wanted : wanted.slice(bar + 1);
  if (typeof found === "string" || typeof found === "boolean") return String(found) === code;
  if (found === null || typeof found !== "object") return false;
  const value = found as { coding?: unknown; code?: unknown; value?: unknown; system?: unknown };
  if (Array.isArray(value.coding)) return value.coding.some((coding) => tokenMatches(coding, wanted));
  const own = value.code ?? value.value;
  if (code !== "" && own !== code) return false;
  return system === undefined || (value.system ?? "") === system;
}
