import { v7 as timeOrderedId } from "uuid";
import { type Clock, isLakeError, LakeError, systemClock } from "#kernel";
import { badEvent, foreignEvent } from "./errors.js";
import {
  type AppendRequest,
  type AppendResult,
  type EventFilter,
  type NewEvent,
  STREAM_LENGTH,
  type StoredEvent,
  TYPE_LENGTH,
} from "./event.js";
import type { EventLog, PreparedEvent, PreparedRequest, StreamState } from "./event-log.js";
import { GroupCommit } from "./group-commit.js";
import type { EventMark, OpenableEvent, SealedEvent } from "./sealed-event.js";
import { openedEvent } from "./stored-event.js";
import { type Subscription, type SubscriptionOptions, subscribe } from "./subscription.js";

const PAGE = 1000;
/** Events that are removed at once: what is appended meanwhile waits for so many at most. */
const TRIM_PART = 500;
/** Holds one event, whose id is the identity of the journal. */
const IDENTITY_STREAM = "journal";

function prepareEvent(event: NewEvent, clock: Clock): PreparedEvent {
  if (event.type.length === 0 || event.type.length > TYPE_LENGTH) {
    throw badEvent(`An event type has 1 to ${TYPE_LENGTH} characters.`);
  }
  if (event.payload !== undefined && event.subject === undefined) {
    throw badEvent("An event with a payload names the subject whose key encrypts it.");
  }
  const data = JSON.stringify(event.data) as string | undefined;
  if (data === undefined) throw badEvent("An event's data must be a JSON value.");
  return {
    id: event.id ?? timeOrderedId(),
    type: event.type,
    data,
    payload: event.payload,
    subject: event.subject,
    occurredAt: event.occurredAt ?? clock.now().toISOString(),
  };
}

function prepare({ stream, events, expected }: AppendRequest, clock: Clock): PreparedRequest {
  if (stream.length === 0 || stream.length > STREAM_LENGTH) {
    throw badEvent(`A stream's name has 1 to ${STREAM_LENGTH} characters.`);
  }
  if (events.length === 0) throw badEvent("Append at least one event.");
  if (expected !== "any" && (!Number.isSafeInteger(expected) || expected < 0)) {
    throw badEvent("An expected version is 'any' or a whole number from 0.");
  }
  return { stream, expected, events: events.map((event) => prepareEvent(event, clock)) };
}

/** The filter alone: it may be part of something that cannot cross to the journal's thread. */
function onlyFilter({ streamPrefix, types }: EventFilter): EventFilter {
  return {
    ...(streamPrefix === undefined ? {} : { streamPrefix }),
    ...(types === undefined ? {} : { types }),
  };
}

/**
 * The journal: streams of events with expected versions in one global order. What `append` answered is durable and visible to every
 * reader. The position of an event is the epoch of the merged read: a read at o sees exactly the events up to position o.
 */
export class EventStore {
  readonly location: string;
  private readonly log: EventLog;
  private readonly clock: Clock;
  private readonly group: GroupCommit;
  private readonly appended = new Set<() => void>();
  private closed = false;

  constructor(log: EventLog, clock: Clock = systemClock) {
    this.log = log;
    this.clock = clock;
    this.group = new GroupCommit(log);
    this.location = log.location;
  }

  /**
   * Appends events to a stream, all or none. Errors: `events/version-conflict` (details `{stream, expected, actual}`),
   * `events/bad-event`, `events/unavailable` (nobody knows whether they stand: append the same ids again), `events/closed`.
   */
  async append(request: AppendRequest): Promise<AppendResult> {
    if (this.closed) {
      throw new LakeError("unavailable", "events/closed", "The journal is closed; open it again.");
    }
    const result = await this.group.append(prepare(request, this.clock));
    for (const listener of this.appended) listener();
    return result;
  }

  /**
   * Up to `limit` events after a position (exclusive), in order. Errors: `events/behind-retention` when events of these streams
   * after the position were trimmed: the reader must start from a snapshot that covers them.
   */
  async readAll(after: number, limit: number, filter: EventFilter = {}): Promise<StoredEvent[]> {
    const events = await this.log.readAll(after, limit, onlyFilter(filter));
    await this.checkKept(after, filter);
    return events;
  }

  /** As {@link readAll}, with payloads still encrypted: for keeping elsewhere. {@link open} reads them. */
  async readSealed(after: number, limit: number, filter: EventFilter = {}): Promise<SealedEvent[]> {
    const events = await this.log.readSealed(after, limit, onlyFilter(filter));
    await this.checkKept(after, filter);
    return events;
  }

  /**
   * Opens events that {@link readSealed} gave, wherever they were kept meanwhile; of shredded subjects without their payloads. Errors:
   * `events/foreign-event` when one of them, or of `also`, does not stand at its position in this journal (any more).
   */
  async open(sealed: readonly SealedEvent[], also: readonly EventMark[] = []): Promise<StoredEvent[]> {
    const marks: readonly EventMark[] = [...sealed, ...also];
    if (marks.length === 0) return [];
    const standing = new Map<number, OpenableEvent>();
    for (const event of await this.log.lookUp([...new Set(marks.map((mark) => mark.position))])) {
      standing.set(event.position, event);
    }
    const foreign = marks.find(({ position, id }) => standing.get(position)?.id !== id);
    if (foreign !== undefined) throw foreignEvent(foreign.position);
    return sealed.map((event) => openedEvent(event, standing.get(event.position)!.key));
  }

  /** Which event stands at a position; undefined when none does (any more). */
  async mark(position: number): Promise<EventMark | undefined> {
    const [event] = await this.log.lookUp([position]);
    return event === undefined ? undefined : { position, id: event.id };
  }

  /**
   * The journal's identity, recorded in it when first asked for: a UUID. Copies of a journal share it, as they share their events; which
   * of them an event belongs to is told by {@link EventMark}s.
   */
  async identity(): Promise<string> {
    for (;;) {
      const [first] = await this.log.readStream(IDENTITY_STREAM, 1, 1);
      if (first !== undefined) return first.id;
      const event = { type: "journal-identified", data: {} };
      await this.append({ stream: IDENTITY_STREAM, events: [event], expected: 0 }).catch((error: unknown) => {
        // Another process was first: its identity is read.
        if (!isLakeError(error, "events/version-conflict")) throw error;
      });
    }
  }

  private async checkKept(after: number, { streamPrefix }: EventFilter): Promise<void> {
    // Asked after reading, so that a trim in between cannot hide events unseen.
    const trimmed = await this.log.trimmedTo(streamPrefix ?? "");
    if (after < trimmed) {
      throw new LakeError(
        "conflict",
        "events/behind-retention",
        `Events up to position ${trimmed} were removed, later than ${after}; start from the newest snapshot.`,
        { details: { after, trimmedTo: trimmed } },
      );
    }
  }

  /**
   * A stream's events from a version on (1 is the first), in order. So many are read and held at once, 1,000 when absent: fewer for
   * events whose payloads may be large, or of which the first tell the reader enough.
   */
  async *readStream(stream: string, fromVersion = 1, atOnce = PAGE): AsyncIterable<StoredEvent> {
    for (let next = fromVersion; ; ) {
      const page = await this.log.readStream(stream, next, atOnce);
      yield* page;
      if (page.length < atOnce) return;
      next = page.at(-1)!.version + 1;
    }
  }

  /** Version of the stream's last event, 0 when it has none; trimming does not lower it. */
  streamVersion(stream: string): Promise<number> {
    return this.log.streamVersion(stream);
  }

  /** Names and versions of the streams with this prefix, by name. */
  streams(prefix: string): Promise<StreamState[]> {
    return this.log.streams(prefix);
  }

  /** Position of the newest event, 0 in an empty journal. */
  head(): Promise<number> {
    return this.log.head();
  }

  /** The position saved under a name, 0 when none was. */
  checkpoint(name: string): Promise<number> {
    return this.log.checkpoint(name);
  }

  /** Saves a position under a name; an older one than saved changes nothing. */
  saveCheckpoint(name: string, position: number): Promise<void> {
    return this.log.saveCheckpoint(name, position);
  }

  /**
   * Hands every event after `from` to the handler, in order and in batches, at least once; with a name, progress is saved after each
   * batch and taken up there. A handler that fails gets the same batch again after a pause.
   */
  subscribe(options: SubscriptionOptions): Subscription {
    return subscribe(this, options, (listener) => this.onAppend(listener), this.clock);
  }

  /** Calls back, soon, when something may have been appended here or by another process; a hint only. The answer ends it. */
  onAppend(listener: () => void): () => void {
    this.appended.add(listener);
    const stopHints = this.log.onHint(listener);
    return () => {
      this.appended.delete(listener);
      stopHints();
    };
  }

  /**
   * Removes the events of streams with this prefix up to a position (inclusive) that a snapshot covers. Answers how many. In parts,
   * between which others append; what one that was cut short has left goes with the next.
   */
  async trim(streamPrefix: string, upTo: number): Promise<number> {
    for (let removed = 0; ; ) {
      const some = await this.log.trimSome(streamPrefix, upTo, TRIM_PART);
      removed += some;
      if (some < TRIM_PART) return removed;
    }
  }

  /** The greatest position up to which events of streams with this prefix were removed; 0 when none were. */
  trimmedTo(streamPrefix: string): Promise<number> {
    return this.log.trimmedTo(streamPrefix);
  }

  /** Makes all payloads of these subjects unreadable for ever. Answers how many subjects had a key. */
  shred(subjects: readonly string[]): Promise<number> {
    return this.log.shred(subjects);
  }

  /** A consistent copy in a new file while others append; undefined for Postgres, which is backed up by its own tools. */
  copyTo(file: string): Promise<string | undefined> {
    return this.log.copyTo(file);
  }

  /** Waits for appends under way, then closes. */
  async close(): Promise<void> {
    this.closed = true;
    await this.group.settled();
    await this.log.close();
  }
}
