import type { EventStore, StoredEvent } from "#events";
import { DEAD_LETTER_PREFIX } from "./receive.js";

/** How long dead letters stay in the journal: time enough to notice and mend a sender, short enough for the disk. */
export const DEAD_LETTER_RETENTION_DAYS = 30;

/** Read and held at once: a body may have megabytes. */
export const DEAD_LETTERS_AT_ONCE = 10;

/** What stands in the journal about a notification that could not be used, without its body. */
export interface RecordedDeadLetter {
  /** Its position in the journal, by which its body is asked for. */
  readonly position: number;
  /** ISO instant at which it was refused. */
  readonly at: string;
  readonly source: string;
  readonly sender: string;
  /** A quarantine reason. */
  readonly code: string;
  readonly message: string;
  /** Length of the body. */
  readonly sizeBytes: number;
  /** True when an erasure has destroyed the body. */
  readonly isErased: boolean;
}

/** Which dead letters to list. */
export interface DeadLetterFilter {
  /** Of this source only. */
  readonly source?: string | undefined;
  /** Refused at this time or later, in milliseconds since 1970. */
  readonly sinceMs?: number | undefined;
  /** The newest so many at most. */
  readonly limit: number;
}

function recorded({ position, occurredAt, stream, data, shredded }: StoredEvent): RecordedDeadLetter {
  const { sender, code, message, sizeBytes } = data as Pick<
    RecordedDeadLetter,
    "sender" | "code" | "message" | "sizeBytes"
  >;
  const source = stream.slice(DEAD_LETTER_PREFIX.length);
  return { position, at: occurredAt, source, sender, code, message, sizeBytes, isErased: shredded };
}

/** Names of the sources of which notifications were ever refused. */
export async function deadLetterSources(journal: EventStore): Promise<string[]> {
  const streams = await journal.streams(DEAD_LETTER_PREFIX);
  return streams.map(({ stream }) => stream.slice(DEAD_LETTER_PREFIX.length));
}

/** The newest dead letters that the filter lets through, the newest last. */
export async function newestDeadLetters(
  journal: EventStore,
  { source, sinceMs = 0, limit }: DeadLetterFilter,
): Promise<RecordedDeadLetter[]> {
  const found: RecordedDeadLetter[] = [];
  for (const { stream, version } of await journal.streams(DEAD_LETTER_PREFIX)) {
    if (source !== undefined && stream !== `${DEAD_LETTER_PREFIX}${source}`) continue;
    // Versions count on when older events were removed, so the newest of each stream can be told without reading the others.
    const from = Math.max(1, version - limit + 1);
    for await (const event of journal.readStream(stream, from, DEAD_LETTERS_AT_ONCE)) {
      if (Date.parse(event.occurredAt) >= sinceMs) found.push(recorded(event));
    }
  }
  return found.sort((a, b) => a.position - b.position).slice(-limit);
}

/** The body as it was sent, or `"erased"` when its key was destroyed; undefined when no dead letter stands at the position (any more). */
export async function deadLetterBody(
  journal: EventStore,
  position: number,
): Promise<Buffer | "erased" | undefined> {
  if (position <= (await journal.trimmedTo(DEAD_LETTER_PREFIX))) return undefined;
  const [event] = await journal.readAll(position - 1, 1, { streamPrefix: DEAD_LETTER_PREFIX });
  if (event?.position !== position) return undefined;
  return event.payload === undefined ? "erased" : Buffer.from(event.payload, "base64");
}
