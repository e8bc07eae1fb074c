import type { NewEvent, StoredEvent } from "#events";
import { hear, missing, restarted, type Sequence, settledUpTo, type TopicStatus } from "#ingestion";

/** Something may be missing since then, whatever it is: only a run of the source tells. */
export interface DirtyWindow {
  /** Journal position of the newest reason: a run that began after it makes up for it. */
  readonly position: number;
  /** ISO instant of our clock of the first reason. */
  readonly since: string;
  readonly reason: string;
}

/** What the journal says about the notifications of one source. */
export interface FollowState {
  /** By id of the Subscription; "" for statuses that do not name theirs. */
  readonly sequences: ReadonlyMap<string, Sequence>;
  readonly dirty: DirtyWindow | undefined;
  /** Subscriptions that said of themselves to be in error or off since they were last heard well. */
  readonly ended: ReadonlySet<string>;
}

/** A source of which nothing was ever heard. */
export const NOTHING_HEARD: FollowState = { sequences: new Map(), dirty: undefined, ended: new Set() };

interface StatusData {
  readonly subscription?: string;
  readonly type: TopicStatus["type"];
  readonly eventsSinceStart?: number;
  readonly numbers: readonly number[];
  readonly status?: string;
}

function status(data: StatusData): NewEvent {
  return { type: "subscription-status", data };
}

/** An event of the stream `subscription/<source>` as the followers write it; the receiver writes `subscription-status`. */
export const followEvents = {
  /** Numbers that `$events` brought. */
  broughtAgain: (subscription: string, numbers: readonly number[]): NewEvent =>
    status({ subscription, type: "query-event", numbers }),
  /** Answer of `$status`. */
  told: (subscription: string, answer: Pick<TopicStatus, "eventsSinceStart" | "status">): NewEvent => {
    const { eventsSinceStart, status: said } = answer;
    return status({
      subscription,
      type: "query-status",
      numbers: [],
      ...(eventsSinceStart === undefined ? {} : { eventsSinceStart }),
      ...(said === undefined ? {} : { status: said }),
    });
  },
  /** A run made up for everything up to a number. */
  settled: (subscription: string, upTo: number): NewEvent => ({
    type: "subscription-settled",
    data: { subscription, upTo },
  }),
  restarted: (subscription: string, counter: number): NewEvent => ({
    type: "subscription-restarted",
    data: { subscription, counter },
  }),
  /** Not followed any more. */
  gone: (subscription: string): NewEvent => ({ type: "subscription-gone", data: { subscription } }),
  dirty: (reason: string): NewEvent => ({ type: "window-dirty", data: { reason } }),
  /** A run that began after this position of the journal succeeded. */
  healed: (upTo: number): NewEvent => ({ type: "window-healed", data: { upTo } }),
};

function withSequence(
  state: FollowState,
  id: string,
  change: (before: Sequence | undefined) => Sequence | undefined,
): FollowState {
  const sequences = new Map(state.sequences);
  const next = change(sequences.get(id));
  if (next === undefined) sequences.delete(id);
  else sequences.set(id, next);
  return { ...state, sequences };
}

const ENDED = new Set(["error", "off", "entered-in-error"]);

function hearStatus(state: FollowState, event: StoredEvent): FollowState {
  const { subscription = "", type, eventsSinceStart, numbers, status } = event.data as StatusData;
  const ended = new Set(state.ended);
  if (status !== undefined && ENDED.has(status)) ended.add(subscription);
  else ended.delete(subscription);
  const heard = { type, eventsSinceStart, numbers, atMs: Date.parse(event.occurredAt) };
  return { ...withSequence(state, subscription, (before) => hear(before, heard)), ended };
}

/** The state after one more event of the source's stream. Unknown kinds change nothing. */
export function foldFollow(state: FollowState, event: StoredEvent): FollowState {
  const atMs = Date.parse(event.occurredAt);
  switch (event.type) {
    case "subscription-status":
      return hearStatus(state, event);
    case "subscription-settled": {
      const { subscription, upTo } = event.data as { subscription: string; upTo: number };
      return withSequence(state, subscription, (before) => before && settledUpTo(before, upTo, atMs));
    }
    case "subscription-restarted": {
      const { subscription, counter } = event.data as { subscription: string; counter: number };
      return withSequence(state, subscription, (before) => before && restarted(before, counter));
    }
    case "subscription-gone": {
      const { subscription } = event.data as { subscription: string };
      const ended = new Set(state.ended);
      ended.delete(subscription);
      return { ...withSequence(state, subscription, () => undefined), ended };
    }
    case "window-dirty": {
      const { reason } = event.data as { reason: string };
      const since = state.dirty?.since ?? event.occurredAt;
      return { ...state, dirty: { position: event.position, since, reason } };
    }
    case "window-healed": {
      const { upTo } = event.data as { upTo: number };
      return (state.dirty?.position ?? 0) > upTo ? state : { ...state, dirty: undefined };
    }
    default:
      return state;
  }
}

/** The greatest event number that is known to exist, by subscription that misses one. */
export function missedUpTo(state: FollowState): Map<string, number> {
  const found = new Map<string, number>();
  for (const [id, sequence] of state.sequences) {
    if (missing(sequence) !== undefined)
      found.set(id, Math.max(sequence.counter, sequence.ahead.at(-1) ?? 0));
  }
  return found;
}

/** JSON value that {@link storedState} reads back. */
export function storableState(state: FollowState): unknown {
  return { sequences: [...state.sequences], dirty: state.dirty ?? null, ended: [...state.ended] };
}

/** The state that {@link storableState} wrote. */
export function storedState(value: unknown): FollowState {
  const { sequences, dirty, ended } = value as {
    sequences: [string, Sequence][];
    dirty: DirtyWindow | null;
    ended: string[];
  };
  return { sequences: new Map(sequences), dirty: dirty ?? undefined, ended: new Set(ended) };
}
