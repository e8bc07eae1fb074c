import type { Definitions } from "#fhir";
import { resourceKey } from "#landing";
import type { Lake } from "../lake.js";
import type { Snapshot } from "../snapshot.js";
import { Belonging } from "./belonging.js";
import { ENVELOPES } from "./mention-sql.js";
import { requestsOf } from "./refused.js";
import type { ErasureRequest } from "./request.js";

/** A version of a resource as text; `raw` is empty for a delete. */
export interface ResourceText {
  readonly source: string;
  readonly type: string;
  /** Hashed key. */
  readonly key: string;
  readonly raw: string;
}

/** True for a version of a resource that an erasure removes or refuses. */
export type ErasedTest = (resource: ResourceText) => boolean;

const PATIENT_ID = /Patient\/([A-Za-z0-9.-]{1,64})/g;
const ANY_ID = /"id"\s*:\s*"([A-Za-z0-9.-]{1,64})"/g;

function ofRequest(definitions: Definitions, request: ErasureRequest): ErasedTest {
  const keys = new Set(request.keys);
  const bySource = new Map<string, { persons: ReadonlySet<string>; belonging: Belonging }>();
  for (const source of new Set(request.persons.map((person) => person.source))) {
    const persons = new Set(request.persons.filter((p) => p.source === source).map((p) => p.key));
    bySource.set(source, { persons, belonging: new Belonging(definitions, source, persons) });
  }
  return ({ source, type, key, raw }) => {
    if (keys.has(key)) return true;
    const own = bySource.get(source);
    if (own === undefined || raw === "") return false;
    const ids = [...raw.matchAll(PATIENT_ID), ...(ENVELOPES.has(type) ? raw.matchAll(ANY_ID) : [])];
    const names = ids.some(([, id]) => own.persons.has(resourceKey(source, "Patient", id!)));
    return names && (request.mentions === "erase" || own.belonging.owns(type, JSON.parse(raw)));
  };
}

/** Tells of single versions whether any of the requests takes them out: by their key, or because they are about a person of it. */
export function erasedBy(definitions: Definitions, requests: readonly ErasureRequest[]): ErasedTest {
  const tests = requests.map((request) => ofRequest(definitions, request));
  return (resource) => tests.some((test) => test(resource));
}

/** {@link erasedBy} for the erasures in force at a snapshot; undefined when there are none. */
export async function erasedAt(lake: Lake, head: Snapshot | undefined): Promise<ErasedTest | undefined> {
  const requests = await requestsOf(lake, head);
  return requests.length === 0 ? undefined : erasedBy(lake.definitions, requests);
}
