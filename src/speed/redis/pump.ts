import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventMark, EventStore, SealedEvent } from "#events";
import { CHANGES_PREFIX } from "#landing";
import type { SharedState } from "./shared-state.js";

/** What is pumped from where to where. */
export interface PumpOptions {
  readonly journal: EventStore;
  readonly state: SharedState;
  /** The position up to which nothing of the journal is needed, for beginning anew. */
  readonly needed: () => Promise<number>;
  readonly onError: (error: unknown) => void;
}

/** A process that died is followed by another after so long. */
const LEASE_MS = 3000;
const LOOK_MS = 200;
const EVENTS_AT_ONCE = 500;
const BYTES_AT_ONCE = 1 << 20;

/** Where the writer stands in the shared state. */
interface Place {
  readonly generation: string;
  position: number;
}

/** Events in parts that are small enough to be sent, and the position up to which each part goes. */
function* parts(events: readonly SealedEvent[], upTo: number): Iterable<[readonly SealedEvent[], number]> {
  let part: SealedEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = event.data.length + (event.payload?.length ?? 0);
    if (part.length > 0 && bytes + size > BYTES_AT_ONCE) {
      yield [part, part.at(-1)!.position];
      part = [];
      bytes = 0;
    }
    part.push(event);
    bytes += size;
  }
  yield [part, upTo];
}

/**
 * Keeps the shared state up with the journal, in the one process that holds the lease. The lease only saves work: what is written is a
 * function of the journal, and the state takes each range once, so two writers at a time do no harm.
 */
export class Pump {
  /** True while this process holds the lease. */
  leads = false;
  private readonly options: PumpOptions;
  private readonly token = randomUUID();
  private readonly stopping = new AbortController();
  private place: Place | undefined;
  private wake: (() => void) | undefined;
  private hinted = false;
  private readonly ended: Promise<void>;

  constructor(options: PumpOptions) {
    this.options = options;
    const unlisten = options.journal.onAppend(() => {
      this.hinted = true;
      this.wake?.();
    });
    this.ended = this.run().finally(unlisten);
  }

  private async run(): Promise<void> {
    const { state, onError } = this.options;
    while (!this.stopping.signal.aborted) {
      try {
        this.leads = await state.lead(this.token, LEASE_MS);
        this.hinted = false;
        if (this.leads) await this.keepUp();
        await this.pause(this.leads);
      } catch (error) {
        this.leads = false;
        this.place = undefined;
        onError(error);
        await this.pause(false);
      }
    }
    if (this.leads) await state.yield(this.token).catch(onError);
    this.leads = false;
  }

  private async pause(wakeable: boolean): Promise<void> {
    if (wakeable && this.hinted) return;
    const timer = new AbortController();
    const end = (): void => timer.abort();
    if (wakeable) this.wake = end;
    this.stopping.signal.addEventListener("abort", end);
    await sleep(LOOK_MS, undefined, { signal: timer.signal }).catch(() => undefined);
    this.stopping.signal.removeEventListener("abort", end);
    this.wake = undefined;
  }

  /** Brings the state up to the journal's head; ends early when the lease must be renewed. */
  private async keepUp(): Promise<void> {
    const until = Date.now() + LEASE_MS / 3;
    this.place = await this.standing();
    while (Date.now() < until && !this.stopping.signal.aborted) {
      if (!(await this.step(this.place))) return;
    }
  }

  /** Where to go on; the state is begun anew when it cannot be trusted. */
  private async standing(): Promise<Place> {
    const { journal, state, needed } = this.options;
    const standing = await state.look();
    if (typeof standing !== "string") {
      const { generation, position, base, mark } = standing;
      const known = this.place?.generation === generation && this.place.position === position;
      if (known || (await this.belongsHere({ position, base, mark }))) return { generation, position };
    }
    const generation = randomUUID();
    const position = await needed();
    await state.reset(generation, position, await journal.mark(position));
    return { generation, position };
  }

  /** True when the state was made from this journal, which still holds what comes after it. */
  private async belongsHere(at: {
    position: number;
    base: number;
    mark: EventMark | undefined;
  }): Promise<boolean> {
    const { journal } = this.options;
    if (at.position > (await journal.head())) return false;
    if (at.position < (await journal.trimmedTo(CHANGES_PREFIX))) return false;
    if (at.mark === undefined) return at.position === 0;
    return (await journal.mark(at.mark.position))?.id === at.mark.id;
  }

  /** Takes one piece of the journal in; false when there was none. */
  private async step(place: Place): Promise<boolean> {
    const { journal, state } = this.options;
    const head = await journal.head();
    if (head <= place.position) return false;
    const events = await journal.readSealed(place.position, EVENTS_AT_ONCE, { streamPrefix: CHANGES_PREFIX });
    const last = events.at(-1)?.position ?? 0;
    const end = events.length < EVENTS_AT_ONCE ? Math.max(head, last) : last;
    for (const [part, upTo] of parts(events, end)) {
      const mark = await journal.mark(upTo);
      const taken = await state.apply(place.generation, {
        after: place.position,
        upTo,
        mark,
        events: part,
      });
      // Another process was faster, or the state is no longer what it was.
      if (!taken) return false;
      place.position = upTo;
    }
    return true;
  }

  /** Ends it after the piece under way and gives the lease up. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.ended;
  }
}
