import type { DataContext } from "../context.js";
import { FhirRefusal } from "../outcome.js";
import { Candidate } from "../search/match.js";
import { parseQuery } from "../search/query.js";
import type { StoredVersion } from "../store.js";
import { groupMembers, inCompartment } from "./compartment.js";
import type { ExportRequest } from "./request.js";

/** What an export holds: per type the resources, and the deletes. */
export interface ExportSelection {
  readonly output: ReadonlyMap<string, readonly StoredVersion[]>;
  readonly deleted: ReadonlyMap<string, readonly StoredVersion[]>;
}

/** Chooses the resources of an export from the store as it is now. */
export function selectForExport(context: DataContext, request: ExportRequest): ExportSelection {
  const { store, profile } = context;
  const patients = patientsFor(context, request);
  const output = new Map<string, StoredVersion[]>();
  const deleted = new Map<string, StoredVersion[]>();
  for (const type of request.types ?? store.types()) {
    const passes = typeFilter(context, request, type);
    for (const version of store.newest(type)) {
      if (request.since !== undefined && version.at <= request.since) continue;
      if (request.until !== undefined && version.at >= request.until) continue;
      if (version.text === undefined && (request.since === undefined || !profile.export.deleted)) continue;
      if (request.level.kind !== "system" && !inCompartment(store, version, patients)) continue;
      if (version.text === undefined) add(deleted, version);
      else if (passes(version)) add(output, version);
    }
  }
  return { output, deleted };
}

function add(lists: Map<string, StoredVersion[]>, version: StoredVersion): void {
  const list = lists.get(version.type);
  if (list === undefined) lists.set(version.type, [version]);
  else list.push(version);
}

/** The patients whose compartments count; undefined means all. */
function patientsFor(context: DataContext, request: ExportRequest): ReadonlySet<string> | undefined {
  if (request.level.kind !== "group") return request.patients;
  const members = groupMembers(context.store, request.level.id);
  if (members === undefined) throw new FhirRefusal(404, "not-found", "There is no such Group.");
  if (request.patients === undefined) return members;
  return new Set([...request.patients].filter((patient) => members.has(patient)));
}

function typeFilter(
  context: DataContext,
  request: ExportRequest,
  type: string,
): (version: StoredVersion) => boolean {
  const searches = request.typeFilters.get(type);
  if (searches === undefined) return () => true;
  const queries = searches.map((search) => parseQuery(new URLSearchParams(search), context.profile, true));
  return (version) => {
    const candidate = new Candidate(version);
    return queries.some((query) => query.filters.every((filter) => filter(candidate)));
  };
}
