import type { Database } from "#duckdb";
import type { EventStore, StoredEvent, Subscription } from "#events";
import { isLakeError, LakeError } from "#kernel";
import { type ErasedTest, erasedAt, type Lake, type Snapshot, type ViewState } from "#lake";
import { CHANGES_PREFIX, type Change, changeOf } from "#landing";
import { type BatchPart, partsOf } from "./batch-part.js";
import { changesAt } from "./changes-at.js";
import { coverageOf, coveredBy } from "./coverage.js";
import { embeddedStore } from "./embedded-store.js";
import { type HandOver, type Hold, Holds } from "./hold.js";
import { checkJournal } from "./journal-check.js";
import { journalStart } from "./journal-start.js";
import { LakeOrders } from "./lake-orders.js";
import { LiveIndex, OPEN } from "./live-index.js";
import type { LiveStore } from "./live-store.js";
import { LiveTypes } from "./live-types.js";
import { lostChanges } from "./lost-changes.js";
import { Mutex } from "./mutex.js";
import { Plans } from "./plans.js";
import type { ReadPoint } from "./read-point.js";
import { wasSetBack } from "./set-back.js";
import { Settler } from "./settler.js";
import { UncoveredTimes } from "./uncovered-times.js";

/** What live rows are made from. */
export interface LiveLakeOptions {
  readonly lake: Lake;
  readonly journal: EventStore;
  /** The engine that answers reads; the live tables stand in it. */
  readonly database: Database;
  /** Where live versions come from; default {@link embeddedStore}, the journal alone. The caller closes it, after the live lake. */
  readonly store?: LiveStore;
  /** Told about failures that are tried again. */
  readonly onError?: (error: unknown) => void;
}

/** Where the live rows stand. */
export interface LiveState extends ReadPoint {
  /** Versions that no snapshot covers yet. */
  readonly liveResources: number;
  /** Milliseconds since 1970: every change that was acknowledged by then stands in the live rows or in the snapshot. */
  readonly currentAt: number;
  /** Milliseconds since 1970, to the second or earlier: when the oldest change that no snapshot covers was accepted; undefined without one. */
  readonly oldestLiveAt: number | undefined;
  /** Why answers may lag behind the journal; undefined when all is well. */
  readonly degraded: string | undefined;
}

const FOREIGN = "the journal is not the one whose changes the lake holds";
const SET_BACK = "the journal has lost changes that it had acknowledged; run its sources in full";

/** Live versions are freed when this many changes came since the last time, and with every new snapshot. */
const COLLECT_AFTER = 20_000;

function pointGone(): LakeError {
  return new LakeError(
    "unavailable",
    "speed/point-gone",
    "The lake was set back to an older state while this was read; ask again.",
    { retryable: true },
  );
}

/**
 * The speed layer of one process: folds the journal's changes that no snapshot covers into tables of live versions and view rows.
 * At any point (n, o) that it stands at or holds, `snapshot n's rows, without those of visible live versions, plus their rows` is exactly the
 * view over everything accepted up to o (architecture, "The invariant"). Everything here can be rebuilt from the journal.
 */
export class LiveLake {
  private readonly options: LiveLakeOptions;
  private readonly store: LiveStore;
  private index = new LiveIndex();
  private readonly types: LiveTypes;
  private readonly settler: Settler;
  private readonly holds = new Holds();
  private handOver: ((handOver: HandOver) => void) | undefined;
  private readonly orders: LakeOrders;
  private readonly mutex = new Mutex();
  /** One look for a newer snapshot at a time: two that both begin anew would leave two subscriptions at work. */
  private readonly refreshing = new Mutex();
  /** Told when the journal is followed again after the rows were begun anew, or never will be. */
  private readonly waiting = new Set<{ resolve(): void; reject(error: unknown): void }>();
  /** Ends waiting for a subscription that will get no further. */
  private readonly following = new Set<(error: unknown) => void>();
  private snapshot: Snapshot | undefined;
  /** Changes of erased persons are passed over, as every commit does. */
  private isErased: ErasedTest | undefined;
  private position = 0;
  private sinceCollect = 0;
  private currentAt = 0;
  private uncovered = new UncoveredTimes();
  /** Points over older snapshots can no longer be read, because the live rows were begun anew. */
  private oldestSnapshot = 0;
  /** Nor can points at older positions, because the store gave newest versions alone. */
  private oldestPosition = 0;
  private forgetting: Promise<void> = Promise.resolve();
  private preparing: Promise<void> = Promise.resolve();
  private stopping = false;
  private subscription: Subscription | undefined;
  private problem: string | undefined;
  private foreign: string | undefined;
  /** By source the position up to which the journal lacks changes that the snapshot did not cover. */
  private losses: ReadonlyMap<string, number> = new Map();
  /** Why the newest snapshot is not read over yet. */
  private behind: string | undefined;
  /** True when events were trimmed away, or the journal was set back, before they were read here: everything must be begun anew. */
  private outrun = false;
  /** True from when everything is begun anew until it has been: what was cut short is begun again. */
  private anew = false;
  /** True since the journal lost changes that were read here; whoever sent them was told that they are kept. */
  private setBack = false;

  private constructor(options: LiveLakeOptions, plans: Plans) {
    this.options = options;
    this.store = options.store ?? embeddedStore(options.journal);
    this.types = new LiveTypes(options.lake, plans);
    this.settler = new Settler(this.types, options.onError);
    this.orders = new LakeOrders(options.lake);
  }

  /**
   * Builds the live rows from the store or the journal over the newest snapshot and follows both; ready when it answers, with everything planned
   * that the first changes need. Errors: `speed/journal-behind` and `speed/other-journal` when the journal lacks what the snapshot covers.
   */
  static async start(options: LiveLakeOptions): Promise<LiveLake> {
    const { database } = options;
    const live = new LiveLake(options, await Plans.open(database));
    await live.begin();
    await live.preparing;
    return live;
  }

  private async begin(): Promise<void> {
    const { lake, journal } = this.options;
    const head = await lake.history.latest();
    await this.recognise(head);
    const { position: start, covered, losses } = await journalStart(journal, head);
    this.losses = losses;
    this.position = start;
    await this.mutex.run(() => this.adoptNow(head));
    this.preparing = this.prepare(head);
    const loaded = losses.size === 0 ? await this.load(head, start) : undefined;
    if (loaded === undefined && this.position > start) await this.mutex.run(() => this.clearNow(head, start));
    this.subscription = this.store.follow({
      from: loaded ?? start,
      handle: (events) => this.handle(events),
      onError: (error) => {
        this.problem = "the journal cannot be followed";
        const isSetBack = isLakeError(error, "events/set-back");
        if (isSetBack) this.setBack = true;
        if (isSetBack || isLakeError(error, "events/behind-retention")) {
          this.outrun = true;
          for (const reject of this.following) reject(error);
        }
        this.options.onError?.(error);
      },
      onRecovered: () => {
        this.problem = undefined;
      },
    });
    await this.followed(Math.max(await journal.head(), covered));
    // The first reader is not to wait for what everybody needs.
    await this.settler.settle();
    this.position = Math.max(this.position, this.subscription.position);
    this.oldestPosition = loaded === undefined ? 0 : this.position;
  }

  /** Makes tables and plans while reads, and changes between two of its steps, go on. */
  private async prepare(head: Snapshot | undefined): Promise<void> {
    try {
      for (const step of this.types.preparation(head)) {
        await this.mutex.run(async () => {
          // A newer snapshot brings views of its own; what it needs is made when a change comes.
          if (!this.stopping && this.snapshot?.id === head?.id) await step();
        });
      }
    } catch (error) {
      this.options.onError?.(error);
    }
  }

  /** Takes the newest versions from the store; answers the position from which on changes must be followed, if it could. */
  private async load(head: Snapshot | undefined, needed: number): Promise<number | undefined> {
    this.oldestPosition = OPEN;
    try {
      return await this.store.load({
        needed,
        covered: (source) => coveredBy(head, source),
        handle: (events) => this.handle(events),
      });
    } catch (error) {
      this.options.onError?.(error);
      return undefined;
    }
  }

  /** Takes back everything that was built over a snapshot. */
  private async clearNow(head: Snapshot | undefined, position: number): Promise<void> {
    await this.types.clear();
    this.index = new LiveIndex();
    this.uncovered = new UncoveredTimes();
    this.orders.clear();
    this.snapshot = undefined;
    this.position = position;
    await this.adoptNow(head);
  }

  private async handle(given: readonly StoredEvent[]): Promise<void> {
    // What a store loaded may come again when the changes since are followed.
    const events = given.filter((event) => event.position > this.position);
    if (events.length === 0) return;
    await this.mutex.run(async () => {
      for (const part of partsOf(events)) await this.take(part);
      if (this.sinceCollect >= COLLECT_AFTER) await this.collect();
    });
    this.problem = undefined;
    await this.settler.changed();
  }

  private noteTimes(events: readonly StoredEvent[]): void {
    for (const { stream, position, occurredAt } of events) {
      const source = stream.slice(CHANGES_PREFIX.length);
      if (position > coveredBy(this.snapshot, source)) {
        this.uncovered.add(source, position, Date.parse(occurredAt));
      }
    }
  }

  private async take({ events, erased }: BatchPart): Promise<void> {
    const { position } = events.at(-1)!;
    await this.apply(events.flatMap((event) => changeOf(event) ?? []));
    if (erased !== undefined) await this.erase(erased, position);
    // Where nothing is live no answer lacks anything.
    if (this.index.size === 0) this.uncovered = new UncoveredTimes();
    else this.noteTimes(events);
    this.advance(position);
  }

  /** Drops resources that were erased, and learns whom the newest snapshot refuses from now on. */
  private async erase(keys: readonly string[], position: number): Promise<void> {
    const { lake } = this.options;
    this.isErased = await erasedAt(lake, await lake.history.latest());
    if (keys.length === 0) return;
    this.index.drop(keys);
    await this.types.erase(keys, position);
  }

  private advance(position: number): void {
    this.position = Math.max(this.position, position);
  }

  private async apply(changes: readonly Change[]): Promise<void> {
    const open = changes.filter(
      (change) =>
        change.position > coveredBy(this.snapshot, change.source) && this.isErased?.(change) !== true,
    );
    const folded = this.index.fold(await this.orders.withoutBeaten(open, this.snapshot));
    await this.types.make(new Set(folded.current.map(({ type }) => type)), this.snapshot);
    // From here on nothing can fail: a batch counts whole or, given again, is folded anew.
    this.types.take(folded);
    this.index.remember(folded);
    this.sinceCollect += changes.length;
  }

  /**
   * Looks for a newer snapshot and reads over it from now on. A snapshot that covers more of the journal than was read here yet waits for
   * the journal. One look at a time. Fails when the newest snapshot cannot be read over; `degraded` says so until a later one succeeds. Errors:
   * `speed/journal-behind` and `speed/other-journal` while the journal lacks what the snapshot covers.
   */
  refresh(): Promise<void> {
    return this.refreshing.run(async () => {
      try {
        await this.refreshNow();
        this.behind = undefined;
      } catch (error) {
        this.behind = "the newest snapshot cannot be read over; answers may lack what it brought";
        throw error;
      }
    });
  }

  private async refreshNow(): Promise<void> {
    if (this.stopping) return;
    const { history } = this.options.lake;
    const head = await history.latest();
    if (this.anew || this.outrun) return this.beginAnew();
    await this.recognise(head);
    if (head === undefined || head.id === this.snapshot?.id) return;
    if (await wasSetBack(history, this.snapshot, head)) return this.beginAnew();
    const covered = Math.max(0, ...Object.values(head.sources).map((source) => source.journalPosition ?? 0));
    // Not `reached`, which waits for what only this can begin anew.
    await this.followed(covered);
    this.advance(covered);
    await this.mutex.run(() => this.adoptNow(head));
  }

  /** Makes sure that the journal is the one whose changes a snapshot covers; declares and fails while it is not. */
  private async recognise(head: Snapshot | undefined): Promise<void> {
    try {
      await checkJournal(this.options.journal, head);
      this.foreign = undefined;
    } catch (error) {
      if (isLakeError(error) && !error.retryable) this.foreign = FOREIGN;
      throw error;
    }
  }

  /** Forgets all live rows and reads the journal again over the newest snapshot. */
  private async beginAnew(): Promise<void> {
    // Until the journal has been read again, no point can be.
    this.oldestSnapshot = OPEN;
    this.anew = true;
    await this.subscription?.stop();
    await this.mutex.run(() => this.clearNow(undefined, this.position));
    if (this.stopping) return;
    this.outrun = false;
    this.problem = undefined;
    await this.begin();
    this.oldestSnapshot = this.snapshot?.id ?? 0;
    this.anew = false;
    for (const { resolve } of this.waiting) resolve();
    this.waiting.clear();
  }

  private async adoptNow(head: Snapshot | undefined): Promise<void> {
    if (head === undefined || head.id <= (this.snapshot?.id ?? 0)) return;
    const before = this.snapshot === undefined || this.handOver === undefined ? undefined : this.hold();
    try {
      await this.readOver(head);
    } catch (error) {
      before?.release();
      throw error;
    }
    if (before !== undefined) this.handOver?.({ before, after: this.hold() });
    await this.collect();
    // What the store keeps beyond need costs memory, nothing else.
    this.forgetting = this.store
      .forget(coverageOf(head))
      .catch((error: unknown) => this.options.onError?.(error));
  }

  private async readOver(head: Snapshot): Promise<void> {
    this.isErased = await erasedAt(this.options.lake, head);
    await this.orders.read(head);
    const covered = [...this.index.versions()].filter((v) => v.position <= coveredBy(head, v.source));
    const rest = [...this.index.versions()].filter((v) => v.position > coveredBy(head, v.source));
    const kept = new Set(await this.orders.withoutBeaten(rest, head));
    const beaten = rest.filter((version) => !kept.has(version));
    await this.types.hide(head, beaten);
    await this.types.adoptViews(head, (type) => this.liveChanges(type));
    this.index.forget([...covered, ...beaten]);
    this.uncovered.drop((source) => coveredBy(head, source));
    this.snapshot = head;
  }

  /** The newest live version of every resource of a type, read from the journal again. */
  private liveChanges(type: string): Promise<Change[]> {
    const versions = [...this.index.versions()].filter((version) => version.type === type);
    const positions = versions.map(({ position }) => position);
    return changesAt(this.options.journal, positions, this.position);
  }

  private async collect(): Promise<void> {
    this.sinceCollect = 0;
    await this.types.collect(this.holds.oldest(this.point()), this.snapshot);
  }

  private point(): ReadPoint {
    return { snapshot: this.snapshot?.id ?? 0, position: this.position };
  }

  /** Where reads stand now. */
  state(): LiveState {
    this.currentAt = Math.max(this.currentAt, this.subscription?.currentAt ?? 0);
    return {
      ...this.point(),
      liveResources: this.index.size,
      currentAt: this.currentAt,
      oldestLiveAt: this.uncovered.oldest(),
      degraded:
        this.foreign ??
        lostChanges(this.snapshot, this.losses) ??
        (this.setBack ? SET_BACK : undefined) ??
        this.problem ??
        this.behind ??
        this.settler.problem ??
        this.store.degraded,
    };
  }

  /**
   * The greatest order key known of a resource, live or in the lake; undefined where nothing is known of it. Errors: `speed/point-gone` while
   * everything is begun anew.
   */
  async knownOrder(type: string, key: string): Promise<string | undefined> {
    if (this.anew) throw pointGone();
    const order = this.index.orderOf(key) ?? (await this.orders.of(this.snapshot, type, [key])).get(key);
    // While everything is begun anew nothing is known of what is.
    if (this.anew) throw pointGone();
    return order;
  }

  /** Resolves when everything up to a journal position can be read; rejects when this is stopped before. */
  async reached(position: number): Promise<void> {
    while (position > this.position) {
      const { subscription } = this;
      try {
        if (this.anew || this.outrun) await this.begun();
        else await this.followed(position);
        if (subscription === this.subscription && !this.anew) this.advance(position);
      } catch (error) {
        // What is begun anew ends the subscription that was waited for.
        if (this.stopping || !(this.anew || this.outrun)) throw error;
      }
    }
  }

  /** Resolves when the subscription of now has handed over everything up to a position; rejects when it never will. */
  private async followed(position: number): Promise<void> {
    if (this.stopping || this.outrun) throw new Error("the journal is followed no longer");
    let end: ((error: unknown) => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        end = reject;
        this.following.add(reject);
        this.subscription!.reached(position).then(resolve, reject);
      });
    } finally {
      this.following.delete(end!);
    }
  }

  /** Resolves when everything has been begun anew. */
  private begun(): Promise<void> {
    return new Promise((resolve, reject) => this.waiting.add({ resolve, reject }));
  }

  /**
   * Holds the newest point, so that every read at it gives the same until released. Errors: `speed/point-gone` while everything is begun anew,
   * when there is none.
   */
  hold(): Hold {
    if (this.anew) throw pointGone();
    return this.holds.take(this.point());
  }

  /** From now on tells one listener of every snapshot that takes another's place; it releases both points. Undefined: nobody. */
  onHandOver(listener: ((handOver: HandOver) => void) | undefined): void {
    this.handOver = listener;
  }

  /** Position of the last change to a live resource of a type at a held point; undefined when none is live since its snapshot. */
  lastChange(type: string, point: ReadPoint): number | undefined {
    return this.types.get(type)?.lastChange(point);
  }

  /**
   * The live side of a view at a held point: a SELECT of the resource keys whose batch rows do not count, and a SELECT of the
   * view's live rows (`_lake_key`, then its columns). Undefined when nothing is live for it. Changes up to the point that wait are put into the
   * tables first. Fails with the data's error when a live version breaks a rule of the view.
   */
  async overlay(
    view: Pick<ViewState, "hash" | "resource">,
    point: ReadPoint,
  ): Promise<{ keys: string; rows: string } | undefined> {
    await this.types.settle(view.resource, point.position);
    if (point.snapshot < this.oldestSnapshot || point.position < this.oldestPosition) {
      throw pointGone();
    }
    const type = this.types.get(view.resource);
    if (type === undefined || type.isUntouchedAt(point)) return undefined;
    const live = type.view(view.hash);
    if (live === undefined) {
      throw new LakeError(
        "unavailable",
        "speed/view-not-ready",
        "The live rows of this view are still being built; try again.",
        { retryable: true },
      );
    }
    const failure = live.failureAt(point);
    if (failure !== undefined) throw failure;
    return { keys: `SELECT _lake_key FROM (${type.visible(point)})`, rows: type.rows(live, point) };
  }

  async stop(): Promise<void> {
    this.stopping = true;
    const ended = new Error("the live rows are no longer kept up");
    for (const reject of this.following) reject(ended);
    for (const { reject } of this.waiting) reject(ended);
    this.waiting.clear();
    // After a look for a newer snapshot that is under way: it may have begun another subscription.
    await this.refreshing.run(async () => this.subscription?.stop());
    await this.forgetting;
    await this.preparing;
    await this.settler.stop();
    await this.mutex.run(() => this.types.close());
  }
}
