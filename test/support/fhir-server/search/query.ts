import { FhirRefusal } from "../outcome.js";
import type { EhrProfile } from "../profile.js";
import type { ResourceStore, StoredVersion } from "../store.js";
import { Candidate, type Filter, parameterFilter } from "./match.js";

/** A search as understood. */
export interface SearchQuery {
  readonly filters: readonly Filter[];
  readonly sort: { readonly by: "_lastUpdated" | "_id"; readonly descending: boolean } | undefined;
  readonly pageSize: number;
  readonly countOnly: boolean;
  readonly total: "none" | "estimate" | "accurate";
  readonly elements: readonly string[];
  /** The parameters that were used, for the self link. */
  readonly used: readonly (readonly [string, string])[];
}

const RESULT_PARAMETERS = new Set([
  "_sort",
  "_count",
  "_summary",
  "_total",
  "_elements",
  "_format",
  "_pretty",
]);

/** Reads the parameters of a search. `strict`: the client wants unknown ones refused. */
export function parseQuery(
  parameters: Iterable<readonly [string, string]>,
  profile: EhrProfile,
  strict: boolean,
): SearchQuery {
  const filters: Filter[] = [];
  const used: (readonly [string, string])[] = [];
  const results = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (RESULT_PARAMETERS.has(name)) {
      results.set(name, value);
      used.push([name, value]);
      continue;
    }
    const filter = knownFilter(name, value, profile);
    if (filter !== undefined) {
      filters.push(filter);
      used.push([name, value]);
    } else if (strict || profile.unknownParameters === "refused") {
      throw new FhirRefusal(400, "not-supported", `The search parameter '${name}' is not supported.`);
    }
  }
  const pageSize = Number(results.get("_count") ?? profile.defaultPageSize);
  if (!Number.isInteger(pageSize) || pageSize < 0)
    throw new FhirRefusal(400, "value", "_count must be a whole number.");
  return {
    filters,
    sort: parseSort(results.get("_sort"), profile),
    pageSize: Math.min(pageSize, profile.largestPageSize),
    countOnly: results.get("_summary") === "count" || pageSize === 0,
    total: parseTotal(results.get("_total")),
    elements: results.get("_elements")?.split(",") ?? [],
    used,
  };
}

function knownFilter(name: string, value: string, profile: EhrProfile): Filter | undefined {
  if (name === "_lastUpdated" && profile.lastUpdatedSearch !== "supported") {
    if (profile.lastUpdatedSearch === "refused")
      throw new FhirRefusal(400, "not-supported", "This server does not search by _lastUpdated.");
    return undefined;
  }
  return parameterFilter(name, value);
}

function parseSort(value: string | undefined, profile: EhrProfile): SearchQuery["sort"] {
  const [first] = value?.split(",") ?? [];
  if (first === undefined) return undefined;
  const by = first.replace(/^-/, "");
  const known = by === "_id" || (by === "_lastUpdated" && profile.lastUpdatedSearch === "supported");
  if (!known) {
    if (profile.lastUpdatedSearch === "ignored") return undefined;
    throw new FhirRefusal(400, "not-supported", `This server does not sort by '${by}'.`);
  }
  return { by: by as "_id" | "_lastUpdated", descending: first.startsWith("-") };
}

function parseTotal(value: string | undefined): SearchQuery["total"] {
  if (value === undefined) return "accurate";
  if (value === "none" || value === "estimate" || value === "accurate") return value;
  throw new FhirRefusal(400, "value", "_total must be none, estimate or accurate.");
}

/** How many live resources of the types meet all filters. */
export function countQuery(store: ResourceStore, types: readonly string[], query: SearchQuery): number {
  let count = 0;
  for (const type of types) {
    if (query.filters.length === 0) count += store.count(type);
    else for (const _ of matching(store, type, query)) count++;
  }
  return count;
}

function* matching(
  store: ResourceStore,
  type: string,
  { filters }: SearchQuery,
): IterableIterator<StoredVersion> {
  for (const version of store.live(type)) {
    const candidate = new Candidate(version);
    if (filters.every((filter) => filter(candidate))) yield version;
  }
}

/** The live resources of the types that meet all filters, in the order asked for (ties: as they were written). */
export function runQuery(
  store: ResourceStore,
  types: readonly string[],
  query: SearchQuery,
): StoredVersion[] {
  const found: StoredVersion[] = [];
  for (const type of types) for (const version of matching(store, type, query)) found.push(version);
  const sort = query.sort;
  if (sort === undefined) return found;
  const direction = sort.descending ? -1 : 1;
  return found.sort((a, b) => {
    const order = sort.by === "_id" ? (a.id < b.id ? -1 : a.id > b.id ? 1 : 0) : a.at - b.at;
    return direction * (order === 0 ? a.sequence - b.sequence : order);
  });
}
