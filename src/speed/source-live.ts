import type { EventStore, StoredEvent, Subscription } from "#events";
import { type Clock, systemClock } from "#kernel";

/**
 * How the changes of one source reach this lake now.
 * `live`: notifications or polling bring everything as far as anybody can tell. `catching-up`: something may be missing and is being
 * fetched. `gap`: something is known to be missing, or nothing is heard any more, and no attempt to fetch it is under way. `error`: the
 * source's server has ended or refused the subscription, or cannot be asked. `off`: nothing brings changes between runs.
 */
export type SourceLiveCode = "live" | "catching-up" | "gap" | "error" | "off";

/** The state of one source. */
export interface SourceLiveState {
  readonly source: string;
  readonly state: SourceLiveCode;
  /** ISO instant of our clock at which the source came into this state; for people, orders nothing. */
  readonly since: string;
  /** One sentence for people, without identifiers of resources; null while all is well. */
  readonly reason: string | null;
}

/** What answers and pages about freshness read: `sourceStates()` is in memory and may be called for every answer. */
export interface SourceLiveStates {
  /** Of every source that ever had a state, by name. A source that is absent has only runs (as `off`). */
  sourceStates(): readonly SourceLiveState[];
}

/** Start of the names of the streams that hold the states: one stream per source, whose newest event counts. */
export const SOURCE_LIVE_PREFIX = "source-live/";
const EVENT = "source-live-state";

function stateOf(event: StoredEvent): SourceLiveState {
  const { state, since, reason } = event.data as Omit<SourceLiveState, "source">;
  return { source: event.stream.slice(SOURCE_LIVE_PREFIX.length), state, since, reason };
}

/** What {@link SourceLiveBoard} works on. */
export interface SourceLiveOptions {
  readonly journal: EventStore;
  readonly clock?: Clock;
  readonly onError?: (error: unknown) => void;
}

/**
 * The states of all sources, folded from the journal, so that every process that serves the lake shows the same and none is forgotten by a
 * restart. Read by `sourceStates()`; only the process that follows a source's notifications sets its state.
 */
export class SourceLiveBoard implements SourceLiveStates {
  private readonly journal: EventStore;
  private readonly clock: Clock;
  private readonly known = new Map<string, { readonly position: number; readonly state: SourceLiveState }>();
  private readonly subscription: Subscription;

  private constructor(options: SourceLiveOptions) {
    this.journal = options.journal;
    this.clock = options.clock ?? systemClock;
    this.subscription = options.journal.subscribe({
      streamPrefix: SOURCE_LIVE_PREFIX,
      handle: async (events) => {
        for (const event of events) this.fold(event);
      },
      ...(options.onError === undefined ? {} : { onError: options.onError }),
    });
  }

  /** Reads what the journal says so far and follows it; ready when it answers. */
  static async start(options: SourceLiveOptions): Promise<SourceLiveBoard> {
    const board = new SourceLiveBoard(options);
    await board.subscription.reached(await options.journal.head());
    return board;
  }

  private fold(event: StoredEvent): void {
    const state = stateOf(event);
    const known = this.known.get(state.source);
    if (known !== undefined && known.position >= event.position) return;
    this.known.set(state.source, { position: event.position, state });
  }

  sourceStates(): readonly SourceLiveState[] {
    return [...this.known.values()].map(({ state }) => state).sort((a, b) => (a.source < b.source ? -1 : 1));
  }

  /** The state of one source; undefined when it never had one. */
  sourceState(source: string): SourceLiveState | undefined {
    return this.known.get(source)?.state;
  }

  /** Sets a source's state; durable and visible here when it answers. Setting what holds already changes nothing. */
  async set(source: string, state: SourceLiveCode, reason: string | null = null): Promise<void> {
    const before = this.sourceState(source);
    if (before?.state === state && before.reason === reason) return;
    const since = before?.state === state ? before.since : this.clock.now().toISOString();
    const { position } = await this.journal.append({
      stream: `${SOURCE_LIVE_PREFIX}${source}`,
      events: [{ type: EVENT, data: { state, since, reason } }],
      expected: "any",
    });
    const now: SourceLiveState = { source, state, since, reason };
    if ((this.known.get(source)?.position ?? 0) < position) this.known.set(source, { position, state: now });
  }

  async stop(): Promise<void> {
    await this.subscription.stop();
  }
}
