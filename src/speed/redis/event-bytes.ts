import type { SealedEvent } from "#events";

const NEWLINE = 0x0a;

/** An event as Redis keeps it: a line of JSON with what is no secret, then the payload as encrypted as it is in the journal. */
export function eventBytes({ payload, ...facts }: SealedEvent): Buffer {
  const line = Buffer.from(`${JSON.stringify({ ...facts, sealed: payload !== undefined })}\n`);
  return payload === undefined ? line : Buffer.concat([line, payload]);
}

/** What {@link eventBytes} made. Throws when the bytes are something else. */
export function eventOf(bytes: Buffer): SealedEvent {
  const end = bytes.indexOf(NEWLINE);
  const { sealed, ...facts } = JSON.parse(bytes.subarray(0, end).toString("utf8")) as Omit<
    SealedEvent,
    "payload"
  > & { sealed: boolean };
  return { ...facts, payload: sealed ? bytes.subarray(end + 1) : undefined };
}
