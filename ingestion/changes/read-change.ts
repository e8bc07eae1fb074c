import { isUtf8 } from "node:buffer";
import { hash } from "node:crypto";
import type { Definitions } from "#fhir";
import {
  type Instant,
  instantHex,
  type NewChange,
  type OrderPolicy,
  resourceKey,
  versionHex,
} from "#landing";
import { rewriteJson, TextBuffer } from "../ndjson/json-text.js";
import { ResourceScanner } from "../ndjson/scanner.js";
import { Rejection } from "../quarantine/reason.js";

/** What gives a change its place among the others. */
export interface ChangeContext {
  readonly source: string;
  readonly policy: OrderPolicy;
  /** Stands in for a missing meta.lastUpdated. */
  readonly receivedAt: Instant;
  /** The lake's newest landing, see `NewChange.sequence`. */
  readonly sequence: number;
}

/** A resource that was deleted, with what its sender told about it. */
export interface DeletedResource {
  readonly type: string;
  readonly id: string;
  readonly versionId?: string;
  /** Time of the delete as a FHIR instant, with its point in time. */
  readonly lastUpdated?: { readonly text: string; readonly instant: Instant };
  /** A clock (32 hex digits) that the delete must be newer than, when it says neither time nor version. */
  readonly after?: string;
}

const NUL = 0;
const NO_VERSION = versionHex("");
const NOTHING = hash("sha256", "", "hex");
const ID = /^[A-Za-z0-9\-.]{1,64}$/;

/**
 * True when a delete says what its place among the versions goes by: its time, or a numeric version where versions decide. Any other has to
 * be confirmed at its source before it beats anything.
 */
export function isPlaced(
  { lastUpdated, versionId }: Pick<DeletedResource, "lastUpdated" | "versionId">,
  policy: OrderPolicy,
): boolean {
  return policy === "time" ? lastUpdated !== undefined : versionHex(versionId ?? "") !== NO_VERSION;
}

function clock(policy: OrderPolicy, time: string, version: string): string {
  return policy === "time" ? time + version : version + time;
}

/** Checks single resources as the ingestion checks lines, and gives them what a journal entry needs. One instance for many. */
export class ChangeReader {
  private readonly definitions: Definitions;
  private readonly scanner: ResourceScanner;
  private readonly text = new TextBuffer();

  constructor(definitions: Definitions, limits: { readonly maxDepth: number }) {
    this.definitions = definitions;
    this.scanner = new ResourceScanner(definitions, limits);
  }

  /**
   * The change that a resource's JSON text makes; its numbers and strings stay as written, white space between tokens goes.
   * Throws a {@link Rejection} for what cannot be stored; its position is in `body`.
   */
  update(body: Uint8Array, context: ChangeContext): NewChange {
    if (!isUtf8(body)) throw new Rejection("invalid-utf8", "The text is not UTF-8.", -1);
    const bytes = Buffer.allocUnsafe(body.length + 1);
    bytes.set(body);
    bytes[body.length] = NUL;
    const { type, id, versionId, lastUpdated, instant } = this.scanner.scan(bytes, 0, body.length, {
      multiline: true,
    });
    this.text.clear();
    rewriteJson(bytes, 0, body.length, { compact: true }, this.text);
    const raw = this.text.bytes.toString("utf8", 0, this.text.length);
    return {
      source: context.source,
      policy: context.policy,
      type,
      key: resourceKey(context.source, type, id),
      kind: "U",
      id,
      version: versionId,
      lastUpdated,
      clock: clock(context.policy, instantHex(instant ?? context.receivedAt), versionHex(versionId)),
      sequence: context.sequence,
      rawHash: hash("sha256", raw, "hex"),
      raw,
    };
  }

  /** The change that a delete makes. Throws a {@link Rejection} for an unknown type or an id that cannot be one. */
  delete(deleted: DeletedResource, context: ChangeContext): NewChange {
    const { type, id, versionId = "", lastUpdated, after } = deleted;
    if (!this.definitions.resourceTypes.has(type)) {
      throw new Rejection("unknown-resource-type", "The deleted resource has no FHIR resource type.", -1);
    }
    if (!ID.test(id)) throw new Rejection("invalid-id", "The deleted resource's id is not a FHIR id.", -1);
    const told = clock(
      context.policy,
      instantHex(lastUpdated?.instant ?? context.receivedAt),
      versionHex(versionId),
    );
    return {
      source: context.source,
      policy: context.policy,
      type,
      key: resourceKey(context.source, type, id),
      kind: "D",
      id,
      version: versionId,
      lastUpdated: lastUpdated?.text ?? "",
      // At an equal clock a delete is newer than an update.
      clock: after !== undefined && after > told ? after : told,
      sequence: context.sequence,
      rawHash: NOTHING,
      raw: "",
    };
  }
}
