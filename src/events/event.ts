/** An event to be appended. */
export interface NewEvent {
  /** What happened, for example `resource-changed`: at most 100 characters. */
  readonly type: string;
  /** JSON value with the facts; no PHI, because it is not shredded. */
  readonly data: unknown;
  /** Text that belongs to a person, such as a resource as it was received. Kept encrypted under the key of `subject`. */
  readonly payload?: string;
  /** Whose key encrypts the payload; required with one. Shredding the subject makes all its payloads unreadable for ever. */
  readonly subject?: string;
  /**
   * Chosen by the caller. Appending an id again changes nothing and answers what was appended first, so an append whose outcome is
   * unknown can be repeated. Default: a new random UUID.
   */
  readonly id?: string;
  /** ISO instant; default the journal's clock. For people: never used to order anything. */
  readonly occurredAt?: string;
}

/** An event as it stands in the journal. */
export interface StoredEvent {
  /** Place in the whole journal, from 1, without gaps when appended; later positions were appended later. */
  readonly position: number;
  readonly stream: string;
  /** Place in its stream, from 1. */
  readonly version: number;
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  /** Undefined when the event has none, and when its subject was shredded. */
  readonly payload: string | undefined;
  readonly subject: string | undefined;
  /** True when there was a payload that can never be read again. */
  readonly shredded: boolean;
  readonly occurredAt: string;
}

/** What a caller knows of a stream before it appends: nothing, that it is empty (0), or its exact version. */
export type ExpectedVersion = "any" | number;

/** Events for one stream, appended together or not at all. */
export interface AppendRequest {
  readonly stream: string;
  readonly events: readonly NewEvent[];
  readonly expected: ExpectedVersion;
}

/** Where an append landed. */
export interface AppendResult {
  /** Position of the last event; a read at this position sees all of the append. */
  readonly position: number;
  /** Version of the stream's last event of this append. */
  readonly version: number;
  /** True when all of it had been appended before by the same ids. */
  readonly repeated: boolean;
}

/** Which events to read; without a condition, all. */
export interface EventFilter {
  /** Streams whose name starts so, for example `changes/`. */
  readonly streamPrefix?: string;
  readonly types?: readonly string[];
}

/** Longest stream name and event type, in UTF-16 units. */
export const STREAM_LENGTH = 255;
export const TYPE_LENGTH = 100;
