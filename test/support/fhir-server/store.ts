import { randomUUID } from "node:crypto";
import { instant, type ServerClock } from "./clock.js";
import { compactJson, memberText, stringMember, withMember, withoutMembers } from "./json-text.js";
import { FhirRefusal } from "./outcome.js";
import { memoryText, type ResourceText } from "./resource-text.js";

/** One version of a resource; a delete has no text. */
export interface StoredVersion {
  readonly type: string;
  readonly id: string;
  /** 1 for the first version, then counting. */
  readonly version: number;
  /** Milliseconds since 1970: meta.lastUpdated, or when it was deleted. */
  readonly at: number;
  /** The number of the change on this server: the greater the later. */
  readonly sequence: number;
  readonly method: "POST" | "PUT" | "DELETE";
  readonly text: ResourceText | undefined;
}

/** How a write is conditioned. */
export interface WriteCondition {
  /** The version that must be current, as in `If-Match: W/"3"`. */
  readonly ifMatch?: string | undefined;
}

type Versions = [StoredVersion, ...StoredVersion[]];

const ID = /^[A-Za-z0-9.-]{1,64}$/;

/** All versions of all resources, in memory (the texts of loaded files stay on disk). */
export class ResourceStore {
  readonly #types = new Map<string, Map<string, Versions>>();
  /** Live resources by type. */
  readonly #live = new Map<string, number>();
  readonly #listeners = new Set<(version: StoredVersion) => void>();
  readonly #clock: ServerClock;
  readonly #meta: boolean;
  #sequence = 0;

  constructor(clock: ServerClock, options: { readonly meta: boolean }) {
    this.#clock = clock;
    this.#meta = options.meta;
  }

  /** Types that have or had a resource, by name. */
  types(): string[] {
    return [...this.#types.keys()].sort();
  }

  /** The newest version, which may be a delete; undefined when there never was such a resource. */
  current(type: string, id: string): StoredVersion | undefined {
    return this.#types.get(type)?.get(id)?.at(-1);
  }

  /** All versions of a resource, oldest first. */
  versions(type: string, id: string): readonly StoredVersion[] {
    return this.#types.get(type)?.get(id) ?? [];
  }

  /** The newest versions of a type's resources that are not deleted, in the order they came first. */
  *live(type: string): IterableIterator<StoredVersion> {
    for (const versions of this.#types.get(type)?.values() ?? []) {
      const newest = versions[versions.length - 1]!;
      if (newest.text !== undefined) yield newest;
    }
  }

  /** Every version of one type, or of all, in no particular order. */
  *all(type?: string): IterableIterator<StoredVersion> {
    for (const [name, resources] of this.#types) {
      if (type !== undefined && name !== type) continue;
      for (const versions of resources.values()) yield* versions;
    }
  }

  /** The newest versions of one type, deletes included. */
  *newest(type: string): IterableIterator<StoredVersion> {
    for (const versions of this.#types.get(type)?.values() ?? []) yield versions[versions.length - 1]!;
  }

  /** How many live resources a type has. */
  count(type: string): number {
    return this.#live.get(type) ?? 0;
  }

  /** Calls back after every write, in order. Returns how to stop it. */
  onChange(listener: (version: StoredVersion) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Writes a new resource under an id of the server's choice. */
  create(type: string, body: string | Buffer): StoredVersion {
    const id = randomUUID();
    return this.#write(type, id, checkedBody(type, body), "POST", this.#clock.stamp());
  }

  /** Writes a version under a known id: the first or the next. */
  put(type: string, id: string, body: string | Buffer, condition: WriteCondition = {}): StoredVersion {
    if (!ID.test(id)) throw new FhirRefusal(400, "value", "This is no valid resource id.");
    const text = checkedBody(type, body);
    const bodyId = stringMember(text, "id");
    if (bodyId !== undefined && bodyId !== id)
      throw new FhirRefusal(400, "invalid", "The id in the body is not the id in the URL.");
    this.#checkMatch(type, id, condition.ifMatch);
    return this.#write(type, id, text, "PUT", this.#clock.stamp());
  }

  /** Writes a delete. Undefined when there is nothing to delete. */
  delete(type: string, id: string, condition: WriteCondition = {}): StoredVersion | undefined {
    this.#checkMatch(type, id, condition.ifMatch);
    const current = this.current(type, id);
    if (current?.text === undefined) return undefined;
    return this.#append(type, id, "DELETE", this.#clock.stamp(), () => undefined);
  }

  /** Takes in a resource as another system wrote it, with its text and time as they are. */
  adopt(type: string, id: string, text: ResourceText, at: number): StoredVersion {
    return this.#append(type, id, "PUT", at, () => text);
  }

  /** Takes in a resource and gives it the meta of this server; a meta.lastUpdated in the text stays. */
  import(type: string, id: string, body: Buffer): StoredVersion {
    const meta = memberText(body, "meta");
    const written = meta === undefined ? undefined : stringMember(meta, "lastUpdated");
    const at = written === undefined ? this.#clock.stamp() : Date.parse(written);
    return this.#write(type, id, compactJson(body), "PUT", at, written);
  }

  #checkMatch(type: string, id: string, ifMatch: string | undefined): void {
    if (ifMatch === undefined) return;
    const wanted = /^(?:W\/)?"?([^"]*)"?$/.exec(ifMatch)?.[1];
    const current = this.current(type, id);
    if (current === undefined || String(current.version) !== wanted)
      throw new FhirRefusal(412, "conflict", "The version named in If-Match is not the current one.");
  }

  #write(
    type: string,
    id: string,
    text: Buffer,
    method: "POST" | "PUT",
    at: number,
    lastUpdated = instant(at),
  ): StoredVersion {
    const withId = withMember(text, "id", JSON.stringify(id), "resourceType");
    return this.#append(type, id, method, at, (version) =>
      memoryText(this.#meta ? stamped(withId, String(version), lastUpdated) : unstamped(withId)),
    );
  }

  #append(
    type: string,
    id: string,
    method: StoredVersion["method"],
    at: number,
    text: (version: number) => ResourceText | undefined,
  ): StoredVersion {
    let resources = this.#types.get(type);
    if (resources === undefined) {
      resources = new Map();
      this.#types.set(type, resources);
    }
    const versions = resources.get(id);
    const version = (versions?.length ?? 0) + 1;
    const wasLive = versions?.at(-1)?.text !== undefined;
    const stored: StoredVersion = {
      type,
      id,
      version,
      at,
      sequence: ++this.#sequence,
      method,
      text: text(version),
    };
    if (versions === undefined) resources.set(id, [stored]);
    else versions.push(stored);
    const change = Number(stored.text !== undefined) - Number(wasLive);
    this.#live.set(type, this.count(type) + change);
    for (const listener of this.#listeners) listener(stored);
    return stored;
  }
}

function checkedBody(type: string, body: string | Buffer): Buffer {
  let parsed: unknown;
  const bytes = Buffer.from(body);
  try {
    parsed = JSON.parse(bytes.toString());
  } catch {
    throw new FhirRefusal(400, "structure", "The body is no JSON.");
  }
  if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed))
    throw new FhirRefusal(400, "structure", "The body is no JSON object.");
  if ((parsed as { resourceType?: unknown }).resourceType !== type)
    throw new FhirRefusal(400, "invalid", `The body is no ${type}.`);
  return compactJson(bytes);
}

const STAMPS = new Set(["versionId", "lastUpdated"]);

function stamped(text: Buffer, versionId: string, lastUpdated: string): Buffer {
  const client = withoutMembers(memberText(text, "meta") ?? Buffer.from("{}"), STAMPS);
  const timed = withMember(client, "lastUpdated", JSON.stringify(lastUpdated));
  return withMember(text, "meta", withMember(timed, "versionId", JSON.stringify(versionId)), "id");
}

function unstamped(text: Buffer): Buffer {
  const meta = memberText(text, "meta");
  if (meta === undefined) return text;
  const rest = withoutMembers(meta, STAMPS);
  return rest.toString() === "{}" ? withoutMembers(text, new Set(["meta"])) : withMember(text, "meta", rest);
}
