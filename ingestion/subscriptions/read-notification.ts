import { isUtf8 } from "node:buffer";
import type { Definitions } from "#fhir";
import type { DeletedResource } from "../changes/read-change.js";
import { ResourceScanner } from "../ndjson/scanner.js";
import { BundleUnpacker } from "../pipeline/bundle-unpacker.js";
import { Rejection } from "../quarantine/reason.js";
import { readTopicStatus, type TopicStatus } from "./topic-status.js";

/** A request to the endpoint, after authentication. */
export interface NotificationRequest {
  readonly method: "POST" | "PUT" | "DELETE";
  /** Of PUT and DELETE: what the path names. */
  readonly target: { readonly type: string; readonly id: string } | undefined;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** What a notification brings. */
export interface Notification {
  /** Texts of resources as they now are. */
  readonly updates: readonly Uint8Array[];
  readonly deletes: readonly DeletedResource[];
  /** Resources that changed in a way the notification does not show: to be read from the source. */
  readonly references: readonly { readonly type: string; readonly id: string }[];
  /** Something changed and nobody says what: look at the source. */
  readonly unspecified: boolean;
  readonly status: TopicStatus | undefined;
}

const NOTHING: Notification = {
  updates: [],
  deletes: [],
  references: [],
  unspecified: false,
  status: undefined,
};
const NUL = 0;
const ID = /^[A-Za-z0-9\-.]{1,64}$/;
const DELETED_HEADER = "x-medplum-deleted-resource";
const DELETED = /^([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9\-.]{1,64})$/;

function withSentinel(body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(body.length + 1);
  bytes.set(body);
  bytes[body.length] = NUL;
  return bytes;
}

/** Reads the four shapes in which servers notify; one instance for many. */
export class NotificationReader {
  private readonly scanner: ResourceScanner;
  private readonly unpacker: BundleUnpacker;
  private readonly definitions: Definitions;

  constructor(definitions: Definitions, limits: { readonly maxDepth: number }) {
    this.definitions = definitions;
    this.scanner = new ResourceScanner(definitions, limits);
    this.unpacker = new BundleUnpacker(definitions, limits.maxDepth);
  }

  /** What the request tells. Throws a {@link Rejection} when it is none of the shapes or cannot be read. */
  read(request: NotificationRequest): Notification {
    const { method, target, headers, body } = request;
    if (method === "DELETE") return { ...NOTHING, deletes: [this.deletable(target!)] };
    const deleted = headers.get(DELETED_HEADER);
    if (deleted !== null) return { ...NOTHING, deletes: [this.headerDelete(deleted)] };
    if (isBlank(body)) return { ...NOTHING, unspecified: true };
    if (!isUtf8(body)) throw new Rejection("invalid-utf8", "The text is not UTF-8.", -1);
    const bytes = withSentinel(body);
    const resource = this.scanner.scan(bytes, 0, body.length, { multiline: true, bundleMayLackId: true });
    if (target !== undefined && (resource.type !== target.type || resource.id !== target.id)) {
      throw new Rejection("unsupported-request", "The path names another resource than the body.", -1);
    }
    if (resource.type !== "Bundle" || method === "PUT") return { ...NOTHING, updates: [body] };
    return this.bundle(bytes, body.length);
  }

  private headerDelete(value: string): DeletedResource {
    const match = DELETED.exec(value);
    if (match === null) {
      throw new Rejection("unsupported-request", "The header of the delete names no Type/id.", -1);
    }
    return this.deletable({ type: match[1]!, id: match[2]! });
  }

  private deletable(target: DeletedResource): DeletedResource {
    if (!this.definitions.resourceTypes.has(target.type)) {
      throw new Rejection("unknown-resource-type", "The deleted resource has no FHIR resource type.", -1);
    }
    if (!ID.test(target.id)) {
      throw new Rejection("invalid-id", "The deleted resource's id is not a FHIR id.", -1);
    }
    return target;
  }

  /** A topic-based notification, whose first entry is its status; any other envelope is a list of changes. */
  private bundle(bytes: Buffer, end: number): Notification {
    const updates: Uint8Array[] = [];
    const deletes: DeletedResource[] = [];
    const brought = new Set<string>();
    let status: TopicStatus | undefined;
    let first = true;
    const references = this.unpacker.references(bytes, 0, end);
    this.unpacker.each(bytes, 0, end, (entry) => {
      if (first) status = readStatus(bytes, entry.resource);
      const isStatus = first && status !== undefined;
      first = false;
      if (isStatus) return;
      const action = this.unpacker.action(entry, bytes, references);
      if (action.kind === "store") {
        updates.push(Buffer.from(action.bytes.subarray(0, action.end)));
        brought.add(`${entry.resourceType}/${entry.id}`);
      } else if (action.kind === "delete") {
        const { type, id, versionId, lastUpdated, instant } = action.facts;
        deletes.push({
          type,
          id,
          ...(versionId === "" ? {} : { versionId }),
          ...(instant === undefined ? {} : { lastUpdated: { text: lastUpdated, instant } }),
        });
        brought.add(`${type}/${id}`);
      }
    });
    const focus = (status?.events ?? []).flatMap((event) => event.focus ?? []);
    const missing = focus.filter(({ type, id }) => !brought.has(`${type}/${id}`));
    const events = status?.type === "event-notification";
    return {
      updates,
      deletes,
      references: missing,
      unspecified: events && focus.length === 0 && updates.length === 0 && deletes.length === 0,
      status,
    };
  }
}

function readStatus(
  bytes: Buffer,
  resource: { start: number; end: number } | undefined,
): TopicStatus | undefined {
  if (resource === undefined) return undefined;
  return readTopicStatus(JSON.parse(bytes.toString("utf8", resource.start, resource.end)));
}

/** True for an empty body and for `{}`, which some servers send for nothing. */
function isBlank(body: Uint8Array): boolean {
  if (body.length > 64) return false;
  const text = Buffer.from(body).toString("latin1").trim();
  return text === "" || /^\{\s*\}$/.test(text);
}
