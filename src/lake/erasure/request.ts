import { randomUUID } from "node:crypto";
import { LakeError } from "#kernel";
import { resourceKey } from "#landing";
import { toolVersion } from "../commit.js";
import type { Lake } from "../lake.js";
import { isStorageNotFound } from "../not-found.js";

/** What becomes of resources that name a person without belonging to that person, such as a Group of many. */
export type MentionPolicy = "keep" | "erase";

/** A resource by its visible key. */
export interface ResourceName {
  readonly source: string;
  readonly type: string;
  readonly id: string;
}

/**
 * What is to be erased, as it is recorded before anything is removed. It holds hashes of keys only, never an id or a name: it stays in the
 * lake so that an interrupted erasure can be completed and the same person is refused later.
 */
export interface ErasureRequest {
  readonly version: 1;
  readonly id: string;
  /** ISO instant. */
  readonly requestedAt: string;
  readonly tool: string;
  /** Patients of whom everything goes: their source and the hash of their key. */
  readonly persons: readonly { readonly source: string; readonly key: string }[];
  /** Hashed keys of every resource to be erased that was known at the request, the persons' own among them. */
  readonly keys: readonly string[];
  /** Sources that the keys belong to. */
  readonly sources: readonly string[];
  readonly mentions: MentionPolicy;
  /** True: the person may come back with a later ingestion. */
  readonly allowReturn: boolean;
}

/** What an erasure came to; its existence says that it was completed. */
export interface ErasureOutcome {
  readonly version: 1;
  readonly finishedAt: string;
  /** The snapshot without the person. */
  readonly snapshot: number | null;
  readonly snapshotsGone: readonly number[];
  readonly filesRemoved: number;
}

/** `<source>/<Type>/<id>`; the source may be empty and may itself hold slashes. Errors: `lake/bad-resource-key`. */
export function parseResourceName(text: string): ResourceName {
  const match = /^(?:(.*)\/)?([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/.exec(text);
  if (match === null) {
    throw new LakeError(
      "invalid-input",
      "lake/bad-resource-key",
      "A resource is named as <source>/<Type>/<id>, for example myhospital/Patient/123.",
    );
  }
  return { source: match[1] ?? "", type: match[2]!, id: match[3]! };
}

/** The hashed key of a resource. */
export function hashedKey({ source, type, id }: ResourceName): string {
  return resourceKey(source, type, id);
}

function requestKey(id: string): string {
  return `erasures/${id}.json`;
}

function outcomeKey(id: string): string {
  return `erasures/${id}.done.json`;
}

/** A new request, not yet recorded. */
export function newRequest(
  lake: Lake,
  content: Omit<ErasureRequest, "version" | "id" | "requestedAt" | "tool">,
): ErasureRequest {
  const requestedAt = lake.clock.now().toISOString();
  // The date leads, so that names sort as they were made.
  const id = `${requestedAt.replace(/[-:.]/g, "")}-${randomUUID().slice(0, 8)}`;
  return { version: 1, id, requestedAt, tool: toolVersion(), ...content };
}

/** Makes a request durable: from now on the erasure will be completed, whatever happens. */
export async function recordRequest(lake: Lake, request: ErasureRequest): Promise<void> {
  await lake.store.putIfAbsent(requestKey(request.id), Buffer.from(JSON.stringify(request)));
}

/** Records that an erasure is complete. */
export async function recordOutcome(lake: Lake, id: string, outcome: ErasureOutcome): Promise<void> {
  await lake.store.putIfAbsent(outcomeKey(id), Buffer.from(JSON.stringify(outcome)));
}

async function read<T>(lake: Lake, key: string): Promise<T | undefined> {
  try {
    return JSON.parse(Buffer.from(await lake.store.get(key)).toString("utf8")) as T;
  } catch (error) {
    if (isStorageNotFound(error)) return undefined;
    throw error;
  }
}

/** What an erasure came to; undefined while it is not complete. */
export async function readOutcome(lake: Lake, id: string): Promise<ErasureOutcome | undefined> {
  return read<ErasureOutcome>(lake, outcomeKey(id));
}

/** A recorded request. Errors: `lake/no-such-erasure`. */
export async function readRequest(lake: Lake, id: string): Promise<ErasureRequest> {
  const request = /^[A-Za-z0-9-]{1,64}$/.test(id)
    ? await read<ErasureRequest>(lake, requestKey(id))
    : undefined;
  if (request !== undefined) return request;
  throw new LakeError(
    "not-found",
    "lake/no-such-erasure",
    "There is no erasure of that id; fhir-lake erase --list shows all.",
  );
}

/** A request with its outcome; undefined while it is not complete. */
export interface RecordedErasure {
  readonly request: ErasureRequest;
  readonly outcome: ErasureOutcome | undefined;
}

/** All recorded erasures, oldest first. */
export async function recordedErasures(lake: Lake): Promise<RecordedErasure[]> {
  const ids: string[] = [];
  for await (const { key } of lake.store.list("erasures/")) {
    const id = /^erasures\/([A-Za-z0-9-]+)\.json$/.exec(key)?.[1];
    if (id !== undefined) ids.push(id);
  }
  const found: RecordedErasure[] = [];
  for (const id of ids.sort()) {
    found.push({ request: await readRequest(lake, id), outcome: await readOutcome(lake, id) });
  }
  return found;
}
