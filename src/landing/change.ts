import { corruptLanding } from "./errors.js";
import { type OrderPolicy, u48Hex } from "./order-key.js";
import type { RecordHeader, RecordKind } from "./record.js";

/** Type of the journal's events that hold one version of one resource. */
export const CHANGE_EVENT = "resource-changed";
/** Type of the journal's events that say which resources of a stream were erased: what stands before them is not to be shown again. */
const ERASED_EVENT = "resources-erased";
/** Start of the names of the streams that hold them: one stream per source. */
export const CHANGES_PREFIX = "changes/";

/** The stream of a source's changes. */
export function changeStream(source: string): string {
  return `${CHANGES_PREFIX}${source}`;
}

/** One version of a resource that was accepted one at a time, such as a notification, before it stands in the journal. */
export interface NewChange extends Omit<RecordHeader, "order"> {
  readonly source: string;
  readonly type: string;
  readonly policy: OrderPolicy;
  /** The first 32 hex digits of the order key: the two clocks in the order of the policy. */
  readonly clock: string;
  /** Newest landing of the lake at acceptance: what is landed later wins where the clocks are equal. */
  readonly sequence: number;
  /** SHA-256 of `raw`, at least 32 hex digits. */
  readonly rawHash: string;
  /** The resource's exact text; empty for a delete. */
  readonly raw: string;
}

/** A change in the journal. Its position completes the order key, so the key is fixed with the append. */
export interface Change extends RecordHeader {
  readonly position: number;
  readonly source: string;
  readonly policy: OrderPolicy;
  readonly type: string;
  readonly raw: string;
}

interface ChangeData {
  readonly policy: OrderPolicy;
  readonly type: string;
  readonly kind: RecordKind;
  readonly clock: string;
  readonly sequence: number;
  readonly hash: string;
}

/** A change as the journal records it: identity and text are the payload, encrypted under the resource's key. */
export function changeEvent(change: NewChange): {
  readonly type: string;
  readonly data: ChangeData;
  readonly payload: string;
  readonly subject: string;
} {
  const { policy, type, kind, clock, sequence } = change;
  return {
    type: CHANGE_EVENT,
    data: { policy, type, kind, clock, sequence, hash: change.rawHash.slice(0, 32) },
    payload: `${change.id}\n${change.version}\n${change.lastUpdated}\n${change.raw}`,
    subject: change.key,
  };
}

/** The erasure of resources (hashed keys) as the journal records it, for everybody who follows the stream of their source. */
export function erasedEvent(keys: readonly string[]): {
  readonly type: string;
  readonly data: { readonly keys: readonly string[] };
} {
  return { type: ERASED_EVENT, data: { keys } };
}

/** Hashed keys of the resources that were erased with an event made by {@link erasedEvent}; undefined for every other event. */
export function erasedKeysOf(event: {
  readonly type: string;
  readonly data: unknown;
}): readonly string[] | undefined {
  return event.type === ERASED_EVENT ? (event.data as { keys: readonly string[] }).keys : undefined;
}

/** Parts of a journal event that a change is read from. */
export interface RecordedChange {
  readonly position: number;
  readonly stream: string;
  readonly data: unknown;
  readonly payload: string | undefined;
  readonly subject: string | undefined;
}

/** A change's order key and source, which the journal keeps beside the encrypted payload. `data` is JSON text. */
export function changeOrder(event: {
  readonly position: number;
  readonly stream: string;
  readonly data: string;
}): { readonly order: string; readonly source: string } {
  const order = orderKeyOf(event.position, JSON.parse(event.data) as ChangeData);
  return { order, source: event.stream.slice(CHANGES_PREFIX.length) };
}

function orderKeyOf(position: number, { kind, clock, sequence, hash }: ChangeData): string {
  return `${clock}${kind === "D" ? "01" : "00"}${u48Hex(sequence)}${u48Hex(position)}${hash}`;
}

/** The change of an event made by {@link changeEvent}; undefined when its subject was erased, and for an event that holds no version. Errors: `landing/bad-record`. */
export function changeOf(event: RecordedChange): Change | undefined {
  const { payload, position, subject } = event;
  if (payload === undefined) return undefined;
  const data = event.data as ChangeData;
  const { policy, type, kind } = data;
  const [id, version, lastUpdated] = payload.split("\n", 3);
  if (lastUpdated === undefined || subject === undefined || !event.stream.startsWith(CHANGES_PREFIX)) {
    throw corruptLanding(
      "landing/bad-record",
      `Event ${position} of the journal is no change of a resource.`,
    );
  }
  const header = id!.length + version!.length + lastUpdated.length + 3;
  return {
    position,
    source: event.stream.slice(CHANGES_PREFIX.length),
    policy,
    type,
    kind,
    key: subject,
    id: id!,
    version: version!,
    lastUpdated,
    order: orderKeyOf(position, data),
    raw: payload.slice(header),
  };
}
