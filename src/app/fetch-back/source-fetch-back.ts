import { setTimeout as sleep } from "node:timers/promises";
import type { EventStore, StoredEvent, Subscription } from "#events";
import { ChangeReader, type ReceiverPorts } from "#ingestion";
import { type Clock, isLakeError, LakeError, mapConcurrently } from "#kernel";
import type { Lake } from "#lake";
import { instantOfMs, resourceKey } from "#landing";
import type { LiveLake } from "#speed";
import { FETCH_CHECKPOINT_PREFIX, FETCH_PREFIX } from "../receive.js";
import { unlessAborted } from "../subscribe/loop.js";
import { type FetchSource, Look, type Looked } from "./look.js";
import { type NamedResource, namedResources } from "./named-resource.js";

/** What reading back from one source works with. */
export interface SourceFetchBackOptions {
  readonly name: string;
  readonly source: () => FetchSource | undefined;
  readonly lake: Lake;
  readonly journal: EventStore;
  /** Where what was read goes. */
  readonly ports: ReceiverPorts;
  readonly rows: Pick<LiveLake, "knownOrder" | "reached">;
  readonly clock: Clock;
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Resources that wait to be read for longer than one would expect. */
export interface FetchDelay {
  readonly state: "catching-up" | "error";
  /** One sentence for people. */
  readonly reason: string;
}

/** Reads of one source at once. */
const AT_ONCE = 4;
const BATCH = 200;
const ABSENT_AGAIN_MS = 2000;
const BEGIN_AGAIN_MS = 1000;
/** Reading back takes no notice of itself before. */
const SLOW_MS = 5000;
const SLOW = "Resources that notifications only named are being read from the source.";
const FAILED =
  "Resources that notifications only named could not be read from the source; it is tried again.";
const UNREAD = "The source is read again; what its notifications named meanwhile was not read.";
const UNANSWERED = "A resource that was notified by name could not be read at its source.";

/** Reads what notifications of one source named without showing it. */
export class SourceFetchBack {
  private readonly options: SourceFetchBackOptions;
  private readonly reader: ChangeReader;
  private readonly abort = new AbortController();
  private readonly stream: string;
  private subscription: Subscription | undefined;
  private beginning: Promise<void>;
  private waitingSinceMs: number | undefined;
  private isFailing = false;

  /** Goes on where reading back of this source ended, or with what the journal still has. */
  constructor(options: SourceFetchBackOptions) {
    this.options = options;
    this.reader = new ChangeReader(options.lake.definitions, { maxDepth: 64 });
    this.stream = `${FETCH_PREFIX}${options.name}`;
    this.beginning = this.begin();
  }

  private async begin(): Promise<void> {
    const { signal } = this.abort;
    while (!signal.aborted) {
      try {
        this.subscription = this.subscribe(await this.readable());
        this.waitingSinceMs = undefined;
        this.isFailing = false;
        return;
      } catch (error) {
        this.failed(error);
        await sleep(BEGIN_AGAIN_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** The position after which the journal still has all names. */
  private async readable(): Promise<number> {
    const { name, journal, ports } = this.options;
    const trimmedTo = await journal.trimmedTo(FETCH_PREFIX);
    // Names of a source that is not configured go unread.
    if ((await journal.checkpoint(`${FETCH_CHECKPOINT_PREFIX}${name}`)) < trimmedTo)
      await ports.missed(name, UNREAD);
    return trimmedTo;
  }

  private subscribe(from: number): Subscription {
    return this.options.journal.subscribe({
      name: `${FETCH_CHECKPOINT_PREFIX}${this.options.name}`,
      streamPrefix: this.stream,
      from,
      batch: BATCH,
      // A source whose name begins with this one's has a stream that begins so too.
      handle: (events) => this.handle(events.filter(({ stream }) => stream === this.stream)),
      onError: (error) => this.failed(error),
      onRecovered: () => {
        this.isFailing = false;
      },
    });
  }

  /** Why what was named is not here yet; undefined while nothing waits for long. */
  get delay(): FetchDelay | undefined {
    if (this.isFailing) return { state: "error", reason: FAILED };
    const { waitingSinceMs } = this;
    const isSlow =
      waitingSinceMs !== undefined && this.options.clock.now().getTime() - waitingSinceMs > SLOW_MS;
    return isSlow ? { state: "catching-up", reason: SLOW } : undefined;
  }

  /** Resolves when everything up to a journal position that was to be read has been; rejects when this ends before. */
  async reached(position: number): Promise<void> {
    await unlessAborted(this.beginning, this.abort.signal);
    await this.subscription!.reached(position);
  }

  /** Ends reading; what was not read is read by the next one. */
  async stop(): Promise<void> {
    this.abort.abort();
    await this.beginning;
    await this.subscription?.stop();
  }

  private failed(error: unknown): void {
    if (this.abort.signal.aborted) return;
    if (isLakeError(error, "events/behind-retention")) {
      // Another process of the lake has read what was trimmed, and saved that it has.
      this.beginning = this.begin();
      return;
    }
    this.isFailing = true;
    const told = isLakeError(error)
      ? error
      : new LakeError("internal", "app/fetch-back", "A notified resource could not be read back.", {
          cause: error,
        });
    this.options.onError?.(told);
  }

  private async handle(events: readonly StoredEvent[]): Promise<void> {
    if (events.length === 0) return;
    this.waitingSinceMs ??= Date.parse(events[0]!.occurredAt);
    const { name, source: find } = this.options;
    const source = find();
    if (source === undefined) {
      // Somebody removed it from the configuration: a run tells once it comes back.
      await this.options.ports.missed(name, UNANSWERED);
    } else {
      // What was journaled before must be known, or a delete would be placed below what it deletes.
      await unlessAborted(this.options.rows.reached(events.at(-1)!.position), this.abort.signal);
      await this.take(await this.look(source, namedResources(events)));
    }
    this.waitingSinceMs = undefined;
    this.isFailing = false;
  }

  private async look(source: FetchSource, named: readonly NamedResource[]): Promise<Looked[]> {
    const { name, rows, clock, lake } = this.options;
    const look = new Look({
      name,
      source,
      reader: this.reader,
      knownOrder: (type, id) => rows.knownOrder(type, resourceKey(name, type, id)),
      context: async () => ({
        receivedAt: instantOfMs(clock.now().getTime()),
        sequence: (await lake.history.latest())?.landings[0] ?? 0,
      }),
      signal: this.abort.signal,
    });
    const first = await mapConcurrently(named, AT_ONCE, (one) => look.at(one, false));
    const absent = named.filter((_, index) => first[index] === undefined);
    const known = first.flatMap((looked) => looked ?? []);
    if (absent.length === 0) return known;
    await unlessAborted(source.http.clock.sleep(ABSENT_AGAIN_MS), this.abort.signal);
    return [
      ...known,
      ...(await mapConcurrently(absent, AT_ONCE, async (one) => (await look.at(one, true))!)),
    ];
  }

  /** Records what was found, durably. Throws when nothing could be read and asking again may help. */
  private async take(looked: readonly Looked[]): Promise<void> {
    const { name } = this.options;
    const failures = looked.flatMap((one) => (one.kind === "failed" ? [one] : []));
    const passing = failures.find(({ isFinal }) => !isFinal);
    if (passing !== undefined && failures.length === looked.length) throw passing.error;
    const changes = looked.flatMap((one) => (one.kind === "change" ? [one.change] : []));
    if (changes.length > 0) await this.options.ports.accept(changes);
    for (const one of looked) {
      if (one.kind !== "refused") continue;
      const { code, message } = one.rejection;
      await this.options.ports.deadLetter({ source: name, sender: name, code, message, body: one.body });
    }
    const reasons = looked.flatMap((one) => (one.kind === "unknown" ? [one.reason] : []));
    // One resource that always fails must not keep all others from being read.
    const [reason] = failures.length > 0 ? [UNANSWERED, ...reasons] : reasons;
    if (reason !== undefined) await this.options.ports.missed(name, reason);
  }
}
