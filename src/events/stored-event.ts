import { LakeError } from "#kernel";
import type { StoredEvent } from "./event.js";
import { open } from "./payload-cipher.js";
import type { SealedEvent } from "./sealed-event.js";

/** A row of the events table, as both databases give it. */
export interface SealedRow {
  readonly position: number | string;
  readonly stream: string;
  readonly version: number | string;
  readonly id: string;
  readonly type: string;
  readonly data: string;
  readonly payload: Uint8Array | null;
  readonly subject: string | null;
  readonly occurred_at: string;
}

/** A row joined with its subject's key. */
export interface EventRow extends SealedRow {
  readonly key: Uint8Array | null;
}

/** The event of a row, its payload left as it is. */
export function sealedEvent(row: SealedRow): SealedEvent {
  return {
    position: Number(row.position),
    stream: row.stream,
    version: Number(row.version),
    id: row.id,
    type: row.type,
    data: row.data,
    payload: row.payload ?? undefined,
    subject: row.subject ?? undefined,
    occurredAt: row.occurred_at,
  };
}

/** The event that {@link sealedEvent} left closed, opened with its subject's key if there still is one. Errors: `events/corrupt-journal`. */
export function openedEvent(sealed: SealedEvent, key: Uint8Array | undefined): StoredEvent {
  const { payload, subject, occurredAt, ...rest } = sealed;
  return storedEvent({
    ...rest,
    payload: payload ?? null,
    subject: subject ?? null,
    occurred_at: occurredAt,
    key: key ?? null,
  });
}

/** The event of a row, its payload decrypted. Errors: `events/corrupt-journal` when the payload was altered. */
export function storedEvent(row: EventRow): StoredEvent {
  return {
    position: Number(row.position),
    stream: row.stream,
    version: Number(row.version),
    id: row.id,
    type: row.type,
    data: JSON.parse(row.data),
    payload: payloadOf(row),
    subject: row.subject ?? undefined,
    shredded: row.payload !== null && row.key === null,
    occurredAt: row.occurred_at,
  };
}

function payloadOf({ payload, key, id, position }: EventRow): string | undefined {
  if (payload === null || key === null) return undefined;
  try {
    return open(key, payload, id);
  } catch (cause) {
    throw new LakeError(
      "corrupt-data",
      "events/corrupt-journal",
      `The payload of event ${position} was altered in the journal; restore the journal from a backup.`,
      { details: { position: Number(position) }, cause },
    );
  }
}
