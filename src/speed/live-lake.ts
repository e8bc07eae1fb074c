import { compileView } from "#compiler";
import type { Connection, Database } from "#duckdb";
import type { EventStore, StoredEvent, Subscription } from "#events";
import { LakeError } from "#kernel";
import { type FileOrders, type Lake, newestOrder, ordersOf, type Snapshot, type ViewState } from "#lake";
import { CHANGES_PREFIX, type Change, changeOf } from "#landing";
import { type Hold, Holds } from "./hold.js";
import { LiveIndex, type LiveVersion, OPEN } from "./live-index.js";
import { LiveType } from "./live-type.js";
import { LiveView } from "./live-view.js";
import { Mutex } from "./mutex.js";
import type { ReadPoint } from "./read-point.js";

/** What live rows are made from. */
export interface LiveLakeOptions {
  readonly lake: Lake;
  readonly journal: EventStore;
  /** The engine that answers reads; the live tables stand in it. */
  readonly database: Database;
  /** Told about failures that are tried again. */
  readonly onError?: (error: unknown) => void;
}

/** Where the live rows stand. */
export interface LiveState extends ReadPoint {
  /** Versions that no snapshot covers yet. */
  readonly liveResources: number;
  /** Why answers may lag behind the journal; undefined when all is well. */
  readonly degraded: string | undefined;
}

/** Journal events handled at once. */
const BATCH = 2000;
const LOOKUP_KEYS = 2000;
/** Live versions are freed when this many changes came since the last time, and with every new snapshot. */
const COLLECT_AFTER = 5000;

/** The journal position that a snapshot covers of a source. */
function coveredBy(snapshot: Snapshot | undefined, source: string): number {
  return snapshot?.sources[source]?.journalPosition ?? 0;
}

function byType<T extends { readonly type: string }>(items: Iterable<T>): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.type);
    if (group === undefined) groups.set(item.type, [item]);
    else group.push(item);
  }
  return groups;
}

/**
 * The speed layer of one process: folds the journal's changes that no snapshot covers into tables of live versions and view rows.
 * At any point (n, o) that it stands at or holds, `snapshot n's rows, without those of visible live versions, plus their rows` is exactly the
 * view over everything accepted up to o (architecture, "The invariant"). Everything here can be rebuilt from the journal.
 */
export class LiveLake {
  private readonly options: LiveLakeOptions;
  private readonly connection: Connection;
  private index = new LiveIndex();
  private readonly types = new Map<string, LiveType>();
  private readonly holds = new Holds();
  private readonly fileOrders: FileOrders = new Map();
  private readonly newestOrders = new Map<string, string>();
  private readonly mutex = new Mutex();
  private readonly waiting = new Set<{ position: number; resolve(): void }>();
  private snapshot: Snapshot | undefined;
  private position = 0;
  private sinceCollect = 0;
  /** True while a batch is being applied; still true afterwards when it failed. */
  private unclean = false;
  /** Points over older snapshots can no longer be read, because the live rows were begun anew. */
  private oldestSnapshot = 0;
  private subscription: Subscription | undefined;
  private problem: string | undefined;
  private lost: string | undefined;

  private constructor(options: LiveLakeOptions, connection: Connection) {
    this.options = options;
    this.connection = connection;
  }

  /** Builds the live rows from the journal over the newest snapshot and follows both; ready when it answers. */
  static async start(options: LiveLakeOptions): Promise<LiveLake> {
    const live = new LiveLake(options, await options.database.connect());
    await live.begin();
    return live;
  }

  private async begin(): Promise<void> {
    const { lake, journal } = this.options;
    const head = await lake.history.latest();
    const streams = await journal.streams(CHANGES_PREFIX);
    const covered = streams.map(({ stream }) => coveredBy(head, stream.slice(CHANGES_PREFIX.length)));
    const trimmed = await journal.trimmedTo(CHANGES_PREFIX);
    // Nothing before the least covered position is needed: every source's events up to its own are in the snapshot.
    const needed = Math.min(...covered, OPEN);
    const isWhole = covered.length === 0 || needed >= trimmed;
    this.lost = isWhole
      ? undefined
      : "the lake was set back beyond what the journal keeps; run its sources in full";
    this.position = covered.length === 0 ? trimmed : Math.max(needed, trimmed);
    await this.mutex.run(() => this.adoptNow(head));
    this.subscription = journal.subscribe({
      streamPrefix: CHANGES_PREFIX,
      from: this.position,
      batch: BATCH,
      handle: (events) => this.handle(events),
      onError: (error) => {
        this.problem = "the journal cannot be followed";
        this.options.onError?.(error);
      },
    });
    await this.subscription.reached(Math.max(await journal.head(), ...covered));
    this.position = Math.max(this.position, this.subscription.position);
  }

  private async handle(events: readonly StoredEvent[]): Promise<void> {
    const changes = events.flatMap((event) => changeOf(event) ?? []);
    await this.mutex.run(async () => {
      if (this.unclean) await this.undo();
      this.unclean = true;
      await this.apply(changes);
      this.unclean = false;
      this.advance(events.at(-1)!.position);
      if (this.sinceCollect >= COLLECT_AFTER) await this.collect();
    });
    this.problem = undefined;
  }

  private advance(position: number): void {
    this.position = Math.max(this.position, position);
    for (const waiting of this.waiting) {
      if (waiting.position > this.position) continue;
      this.waiting.delete(waiting);
      waiting.resolve();
    }
  }

  /** Takes back what a batch that failed half way left in the tables; the index knows nothing of it. */
  private async undo(): Promise<void> {
    for (const type of this.types.values()) await type.undo(this.connection, this.position);
  }

  private async apply(changes: readonly Change[]): Promise<void> {
    const open = changes.filter((change) => change.position > coveredBy(this.snapshot, change.source));
    const news = await this.withoutBeaten(open, this.snapshot);
    const folded = this.index.fold(news);
    for (const [type, group] of byType(folded.current)) {
      const own = new Set(group.map((change) => change.position));
      const replaced = folded.replaced.filter(({ by }) => own.has(by));
      await (await this.typeOf(type)).apply(this.connection, group, replaced);
    }
    this.index.remember(folded);
    this.sinceCollect += changes.length;
  }

  /** Changes that the lake does not hold a newer version of at a snapshot. */
  private async withoutBeaten<T extends { type: string; key: string; order: string }>(
    versions: readonly T[],
    snapshot: Snapshot | undefined,
  ): Promise<T[]> {
    const beaten = new Set<T>();
    for (const [type, group] of byType(versions)) {
      const newest = this.newestOrders.get(type) ?? "";
      const late = group.filter((version) => version.order <= newest);
      const orders = await this.lakeOrders(snapshot, type, [...new Set(late.map((version) => version.key))]);
      for (const version of late) if ((orders.get(version.key) ?? "") >= version.order) beaten.add(version);
    }
    return versions.filter((version) => !beaten.has(version));
  }

  private async lakeOrders(
    snapshot: Snapshot | undefined,
    type: string,
    keys: readonly string[],
  ): Promise<Map<string, string>> {
    const { lake } = this.options;
    const all = new Map<string, string>();
    for (let at = 0; at < keys.length; at += LOOKUP_KEYS) {
      const part = keys.slice(at, at + LOOKUP_KEYS);
      const orders = await lake.database.with((connection) =>
        ordersOf(lake, connection, snapshot?.tables[type], part),
      );
      for (const [key, order] of orders) all.set(key, order);
    }
    return all;
  }

  private async typeOf(type: string): Promise<LiveType> {
    const known = this.types.get(type);
    if (known !== undefined) return known;
    const made = new LiveType(this.options.lake.definitions, type);
    await made.create(this.connection);
    for (const view of Object.values(this.snapshot?.views ?? {})) {
      if (view.resource === type) await made.addView(this.connection, await this.liveView(view));
    }
    this.types.set(type, made);
    return made;
  }

  private async liveView(state: ViewState): Promise<LiveView> {
    const { lake } = this.options;
    const text = Buffer.from(await lake.store.get(state.definition)).toString("utf8");
    return new LiveView(state.hash, compileView(text, { definitions: lake.definitions }));
  }

  /**
   * Looks for a newer snapshot and reads over it from now on. A snapshot that covers more of the journal than was read here yet waits for
   * the journal.
   */
  async refresh(): Promise<void> {
    const head = await this.options.lake.history.latest();
    if (head === undefined || head.id === this.snapshot?.id) return;
    if (this.coversLess(head)) return this.beginAnew();
    const covered = Math.max(0, ...Object.values(head.sources).map((source) => source.journalPosition ?? 0));
    await this.reached(covered);
    await this.mutex.run(() => this.adoptNow(head));
  }

  /** True when a snapshot gives changes back that an earlier one covered: somebody restored an older state. */
  private coversLess(head: Snapshot): boolean {
    return Object.keys(this.snapshot?.sources ?? {}).some(
      (source) => coveredBy(head, source) < coveredBy(this.snapshot, source),
    );
  }

  /** Forgets all live rows and reads the journal again over the newest snapshot. */
  private async beginAnew(): Promise<void> {
    // Until the journal has been read again, no point can be.
    this.oldestSnapshot = OPEN;
    await this.subscription?.stop();
    await this.mutex.run(async () => {
      this.types.clear();
      this.index = new LiveIndex();
      this.newestOrders.clear();
      this.snapshot = undefined;
      this.subscription = undefined;
      this.unclean = false;
    });
    await this.begin();
    this.oldestSnapshot = this.snapshot?.id ?? 0;
  }

  private async adoptNow(head: Snapshot | undefined): Promise<void> {
    if (head === undefined || head.id <= (this.snapshot?.id ?? 0)) return;
    await this.readNewestOrders(head);
    const covered = [...this.index.versions()].filter((v) => v.position <= coveredBy(head, v.source));
    const rest = [...this.index.versions()].filter((v) => v.position > coveredBy(head, v.source));
    const kept = new Set(await this.withoutBeaten(rest, head));
    const beaten = rest.filter((version) => !kept.has(version));
    await this.hide(head, beaten);
    await this.adoptViews(head);
    this.index.forget([...covered, ...beaten]);
    this.snapshot = head;
    await this.collect();
  }

  private async readNewestOrders(head: Snapshot): Promise<void> {
    const { lake } = this.options;
    await lake.database.with(async (connection) => {
      for (const [type, table] of Object.entries(head.tables)) {
        this.newestOrders.set(type, await newestOrder(lake, connection, table, this.fileOrders));
      }
    });
  }

  private async hide(head: Snapshot, beaten: readonly LiveVersion[]): Promise<void> {
    const covered = new Map(
      Object.entries(head.sources).flatMap(([source, { journalPosition }]) =>
        journalPosition === undefined ? [] : [[source, journalPosition] as const],
      ),
    );
    const keys = byType(beaten);
    for (const [name, type] of this.types) {
      const hidden = (keys.get(name) ?? []).map((version) => version.key);
      await type.hide(this.connection, head.id, covered, hidden);
    }
  }

  /** Views that the snapshot has and the live tables lack are filled from the journal; those it no longer has go. */
  private async adoptViews(head: Snapshot): Promise<void> {
    const wanted = new Map(Object.values(head.views).map((view) => [view.hash, view]));
    for (const type of this.types.values()) {
      const missing = [...wanted.values()].filter(
        (view) => view.resource === type.type && type.view(view.hash) === undefined,
      );
      for (const state of missing) {
        const view = await this.liveView(state);
        await type.addView(this.connection, view);
        await type.backfill(this.connection, view, await this.liveChanges(type.type));
      }
    }
  }

  /** The newest live version of every resource of a type, read from the journal again. */
  private async liveChanges(type: string): Promise<Change[]> {
    const versions = [...this.index.versions()].filter((version) => version.type === type);
    const wanted = new Set(versions.map((version) => version.position));
    const changes: Change[] = [];
    let after = Math.min(...wanted) - 1;
    while (changes.length < wanted.size) {
      const events = await this.options.journal.readAll(after, BATCH, { streamPrefix: CHANGES_PREFIX });
      if (events.length === 0) break;
      for (const event of events) {
        if (wanted.has(event.position)) changes.push(...[changeOf(event) ?? []].flat());
      }
      after = events.at(-1)!.position;
      if (after >= this.position) break;
    }
    return changes;
  }

  private async collect(): Promise<void> {
    this.sinceCollect = 0;
    const oldest = this.holds.oldest(this.point());
    const views = this.snapshot?.views ?? {};
    const wanted = new Set(Object.values(views).map((view) => view.hash));
    for (const type of this.types.values()) {
      await type.collect(this.connection, oldest);
      // Readers at an older snapshot may still read the views that it had.
      if (oldest.snapshot < (this.snapshot?.id ?? 0)) continue;
      for (const hash of type.viewHashes) {
        if (!wanted.has(hash)) await type.dropView(this.connection, hash);
      }
    }
  }

  private point(): ReadPoint {
    return { snapshot: this.snapshot?.id ?? 0, position: this.position };
  }

  /** Where reads stand now. */
  state(): LiveState {
    return { ...this.point(), liveResources: this.index.size, degraded: this.lost ?? this.problem };
  }

  /** The greatest order key known of a resource, live or in the lake; undefined where nothing is known of it. */
  async knownOrder(type: string, key: string): Promise<string | undefined> {
    return this.index.orderOf(key) ?? (await this.lakeOrders(this.snapshot, type, [key])).get(key);
  }

  /** Resolves when everything up to a journal position can be read. */
  async reached(position: number): Promise<void> {
    if (position <= this.position) return;
    const subscription = this.subscription;
    if (subscription === undefined) {
      await new Promise<void>((resolve) => this.waiting.add({ position, resolve }));
      return;
    }
    await subscription.reached(position);
    this.advance(position);
  }

  /** Holds the newest point, so that every read at it gives the same until released. */
  hold(): Hold {
    return this.holds.take(this.point());
  }

  /** Position of the last change to a live resource of a type at a held point; undefined when none is live since its snapshot. */
  lastChange(type: string, point: ReadPoint): number | undefined {
    return this.types.get(type)?.lastChange(point);
  }

  /**
   * The live side of a view at a held point: a SELECT of the resource keys whose batch rows do not count, and a SELECT of the
   * view's live rows (`_lake_key`, then its columns). Undefined when nothing is live for it. Fails with the data's error when a live version
   * breaks a rule of the view.
   */
  overlay(
    view: Pick<ViewState, "hash" | "resource">,
    point: ReadPoint,
  ): { keys: string; rows: string } | undefined {
    if (point.snapshot < this.oldestSnapshot) {
      throw new LakeError(
        "unavailable",
        "speed/point-gone",
        "The lake was set back to an older state while this was read; ask again.",
        { retryable: true },
      );
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
    await this.subscription?.stop();
    await this.mutex.run(async () => this.connection.close());
  }
}
