import type { EventStore, NewEvent, Subscription } from "#events";
import { SUBSCRIPTION_PREFIX } from "../receive.js";
import { type FollowState, foldFollow, NOTHING_HEARD, storableState, storedState } from "./follow-state.js";

/** Stream of states from which reading goes on, so that the statuses before need not be kept. */
const STATE_STREAM = "followed-state";
const STATE_EVENT = "followed-state";
/** After so many statuses the state is written down and they are removed. */
const WRITE_AFTER = 5000;

interface Written {
  readonly position: number;
  readonly sources: Readonly<Record<string, unknown>>;
}

/** What the journal says about the notifications of every source; one process writes it at a time. */
export class FollowLog {
  private readonly journal: EventStore;
  private readonly states: Map<string, FollowState>;
  private readonly changed: (source: string) => void;
  private readonly subscription: Subscription;
  private read: number;
  private sinceWritten = 0;

  private constructor(
    journal: EventStore,
    written: Written | undefined,
    changed: (source: string) => void,
    onError: ((error: unknown) => void) | undefined,
  ) {
    this.journal = journal;
    this.changed = changed;
    this.states = new Map(
      Object.entries(written?.sources ?? {}).map(([source, state]) => [source, storedState(state)]),
    );
    this.read = written?.position ?? 0;
    this.subscription = journal.subscribe({
      streamPrefix: SUBSCRIPTION_PREFIX,
      from: this.read,
      handle: async (events) => {
        for (const event of events) {
          const source = event.stream.slice(SUBSCRIPTION_PREFIX.length);
          this.states.set(source, foldFollow(this.of(source), event));
          this.read = event.position;
          this.sinceWritten++;
          this.changed(source);
        }
        if (this.sinceWritten >= WRITE_AFTER) await this.write();
      },
      ...(onError === undefined ? {} : { onError }),
    });
  }

  /** Reads everything so far and follows it; `changed` is told of each source that something was written about. */
  static async start(
    journal: EventStore,
    changed: (source: string) => void,
    onError?: (error: unknown) => void,
  ): Promise<FollowLog> {
    const newest = await journal.streamVersion(STATE_STREAM);
    let written: Written | undefined;
    if (newest > 0) {
      for await (const event of journal.readStream(STATE_STREAM, newest)) written = event.data as Written;
    }
    const log = new FollowLog(journal, written, changed, onError);
    await log.subscription.reached(await journal.head());
    return log;
  }

  of(source: string): FollowState {
    return this.states.get(source) ?? NOTHING_HEARD;
  }

  /** Appends to a source's stream; folded in when it answers. Answers the position. */
  async append(source: string, ...events: NewEvent[]): Promise<number> {
    const { position } = await this.journal.append({
      stream: `${SUBSCRIPTION_PREFIX}${source}`,
      events,
      expected: "any",
    });
    await this.subscription.reached(position);
    return position;
  }

  private async write(): Promise<void> {
    const position = this.read;
    const sources = Object.fromEntries(
      [...this.states].map(([source, state]) => [source, storableState(state)]),
    );
    const result = await this.journal.append({
      stream: STATE_STREAM,
      events: [{ type: STATE_EVENT, data: { position, sources } satisfies Written }],
      expected: "any",
    });
    await this.journal.trim(SUBSCRIPTION_PREFIX, position);
    await this.journal.trim(STATE_STREAM, result.position - 1);
    this.sinceWritten = 0;
  }

  async stop(): Promise<void> {
    await this.subscription.stop();
  }
}
