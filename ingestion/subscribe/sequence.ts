/** Where the event numbers of one topic-based subscription stand. Numbers count from 1 without gaps, so a missing one is a lost event. */
export interface Sequence {
  /** Every event up to here has arrived or has been made up for. */
  readonly contiguous: number;
  /** Greater numbers that arrived, ascending. */
  readonly ahead: readonly number[];
  /** Greatest count of events that the server has told. */
  readonly counter: number;
  /** Milliseconds since 1970 by our clock when the server last sent something by itself, whatever it was; 0 while it never did. */
  readonly heardMs: number;
  /** Since when events are missing; undefined while none are. */
  readonly missingSinceMs: number | undefined;
  /** A count that the server told and that is less than what arrived already: it may count anew. Undefined while there is no doubt. */
  readonly lowerCounter: number | undefined;
}

/** What one notification or status says about numbers. */
export interface HeardNumbers {
  readonly type: "handshake" | "heartbeat" | "event-notification" | "query-status" | "query-event";
  readonly eventsSinceStart: number | undefined;
  readonly numbers: readonly number[];
  readonly atMs: number;
}

/** Numbers that are missing, both ends in it. */
export interface MissingEvents {
  readonly from: number;
  readonly to: number;
}

/** More out-of-order numbers than these are not remembered one by one: what lies before them counts as missing all the same. */
const MOST_AHEAD = 10_000;

function settle(sequence: Sequence, numbers: readonly number[], atMs: number): Sequence {
  const ahead = [...new Set([...sequence.ahead, ...numbers])]
    .filter((number) => number > sequence.contiguous)
    .sort((a, b) => a - b);
  let { contiguous } = sequence;
  let taken = 0;
  while (taken < ahead.length && ahead[taken] === contiguous + 1) {
    contiguous++;
    taken++;
  }
  const next = { ...sequence, contiguous, ahead: ahead.slice(taken, taken + MOST_AHEAD) };
  const isMissing = missing(next) !== undefined;
  return { ...next, missingSinceMs: isMissing ? (sequence.missingSinceMs ?? atMs) : undefined };
}

/** The first numbers that are missing below what is known; undefined when none are. */
export function missing({ contiguous, ahead, counter }: Sequence): MissingEvents | undefined {
  const next = ahead[0];
  if (next !== undefined) return { from: contiguous + 1, to: next - 1 };
  return counter > contiguous ? { from: contiguous + 1, to: counter } : undefined;
}

/** What was asked for shows that the server answers, not that it sends. */
function isAnswer(type: HeardNumbers["type"]): boolean {
  return type === "query-status" || type === "query-event";
}

/**
 * The sequence after something was heard. Of a subscription heard for the first time everything before is taken for known: whoever begins
 * to follow catches up first.
 */
export function hear(before: Sequence | undefined, heard: HeardNumbers): Sequence {
  const { type, eventsSinceStart, atMs } = heard;
  // R4 lets a server leave the events out; then the counter names the one that the notification is about.
  const counted =
    type === "event-notification" && heard.numbers.length === 0 && eventsSinceStart !== undefined;
  const numbers = counted ? [eventsSinceStart] : heard.numbers;
  const least = numbers.length === 0 ? undefined : Math.min(...numbers);
  const told = Math.max(eventsSinceStart ?? 0, ...numbers);
  const heardMs = isAnswer(type) ? 0 : atMs;
  if (before === undefined) {
    const contiguous = least === undefined ? told : least - 1;
    const first = { contiguous, ahead: [], counter: told, heardMs };
    return settle({ ...first, missingSinceMs: undefined, lowerCounter: undefined }, numbers, atMs);
  }
  // A late event carries an old counter; what tells no event can only be late itself, or the server counts anew.
  const tells = type !== "event-notification" && type !== "query-event" && eventsSinceStart !== undefined;
  const isLower = tells && eventsSinceStart < before.contiguous;
  // What was asked for just now is no late message.
  const doubt = type === "query-status" ? undefined : before.lowerCounter;
  return settle(
    {
      ...before,
      counter: Math.max(before.counter, told),
      heardMs: Math.max(before.heardMs, heardMs),
      lowerCounter: isLower ? eventsSinceStart : doubt,
    },
    numbers,
    atMs,
  );
}

/** Everything up to a number has been made up for: by `$events`, or by a run that began after it was missed. */
export function settledUpTo(sequence: Sequence, upTo: number, atMs: number): Sequence {
  const contiguous = Math.max(sequence.contiguous, upTo);
  return settle(
    { ...sequence, contiguous, counter: Math.max(sequence.counter, contiguous), missingSinceMs: undefined },
    [],
    atMs,
  );
}

/** The server counts anew and stands at `counter`. */
export function restarted(sequence: Sequence, counter: number): Sequence {
  return {
    ...sequence,
    contiguous: counter,
    counter,
    ahead: [],
    missingSinceMs: undefined,
    lowerCounter: undefined,
  };
}
