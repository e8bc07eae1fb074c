import type { AppendRequest, AppendResult, EventFilter, StoredEvent } from "./event.js";
import type { OpenableEvent, SealedEvent } from "./sealed-event.js";

/** A stream and the version of its last event. */
export interface StreamState {
  readonly stream: string;
  readonly version: number;
}

/** What became of one request of a group: where it landed, or why it could not be appended (the others are not affected). */
export type AppendOutcome =
  | { readonly ok: true; readonly result: AppendResult }
  | { readonly ok: false; readonly expected: number; readonly actual: number };

/** A request whose ids and times are filled in and whose JSON is text already. */
export interface PreparedRequest {
  readonly stream: string;
  readonly expected: AppendRequest["expected"];
  readonly events: readonly PreparedEvent[];
}

/** See {@link PreparedRequest}. */
export interface PreparedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: string;
  readonly payload: string | undefined;
  readonly subject: string | undefined;
  readonly occurredAt: string;
}

/**
 * Where the journal is kept: the port that SQLite and Postgres implement. Every method's answer is durable. One group is one
 * transaction: positions are given in commit order, so a reader that saw position p will never find a new event at or below p.
 */
export interface EventLog {
  /** Shown to people; without credentials. */
  readonly location: string;
  /** Appends all requests in their order in one durable transaction; conflicts are answered per request. */
  appendGroup(requests: readonly PreparedRequest[]): Promise<AppendOutcome[]>;
  /** Up to `limit` events after a position, in order. */
  readAll(after: number, limit: number, filter: EventFilter): Promise<StoredEvent[]>;
  /** The same with their payloads still encrypted. */
  readSealed(after: number, limit: number, filter: EventFilter): Promise<SealedEvent[]>;
  /** Which events stand at these positions, and their keys; positions without an event are left out. */
  lookUp(positions: readonly number[]): Promise<OpenableEvent[]>;
  /** Up to `limit` events of one stream from a version on, in order. */
  readStream(stream: string, fromVersion: number, limit: number): Promise<StoredEvent[]>;
  /** Version of a stream's last event, also when events were trimmed; 0 when nothing was ever appended. */
  streamVersion(stream: string): Promise<number>;
  /** Names and versions of the streams with this prefix, by name; also of those whose events were trimmed. */
  streams(prefix: string): Promise<StreamState[]>;
  /** Position of the newest event, 0 when there is none. */
  head(): Promise<number>;
  /** The position stored under a name, 0 when none is. */
  checkpoint(name: string): Promise<number>;
  /** Stores a position under a name; never moves it back. */
  saveCheckpoint(name: string, position: number): Promise<void>;
  /**
   * Removes up to `limit` events of the streams with this prefix up to a position, end included, and the keys of subjects that have
   * none left. Answers how many; fewer than `limit` when no more are left.
   */
  trimSome(streamPrefix: string, upTo: number, limit: number): Promise<number>;
  /** The greatest position up to which events of these streams were removed; 0 when none were. */
  trimmedTo(streamPrefix: string): Promise<number>;
  /** Destroys the keys of these subjects. Answers how many existed. */
  shred(subjects: readonly string[]): Promise<number>;
  /** Writes a consistent copy to a new local file; undefined where the store has backups of its own (Postgres). */
  copyTo(file: string): Promise<string | undefined>;
  /** Calls back, soon, when another process may have appended. A hint: readers poll as well. */
  onHint(listener: () => void): () => void;
  close(): Promise<void>;
}
