import { setTimeout as sleep } from "node:timers/promises";
import type { RegisteredView } from "#batch";
import type { Database } from "#duckdb";
import { type EventStore, openEventStore } from "#events";
import { type Clock, systemClock } from "#kernel";
import { type Lake, lakeId, type Snapshot } from "#lake";
import type { OrderPolicy } from "#landing";
import { embeddedStore, LiveLake, type LiveStore, openRedisStore, SourceLiveBoard, wasSetBack } from "#speed";
import { declareLosses } from "./declare-loss.js";
import { flushJournal } from "./flush.js";
import { SourceOrders } from "./source-orders.js";
import { trimCovered } from "./trim-journal.js";

/** When live changes become part of the lake. */
export interface FlushPolicy {
  /** At so many live resources. */
  readonly resources: number;
  /** When the oldest live change is so old. */
  readonly ageMs: number;
  /** Covered changes stay in the journal for so long, for readers that hold an older point. */
  readonly keepCoveredMs: number;
}

/** Fifty thousand resources or five minutes; covered changes stay an hour (the architecture's lease). */
export const FLUSH_POLICY: FlushPolicy = { resources: 50_000, ageMs: 300_000, keepCoveredMs: 3_600_000 };

/** What the live side of a serving process is made of. */
export interface LiveOptions {
  readonly lake: Lake;
  /** The engine that answers reads. */
  readonly database: Database;
  /** The journal's file, or Postgres. */
  readonly journal: { readonly file: string; readonly databaseUrl?: string | undefined };
  /** Where live versions are shared with other serving processes of the lake; without it, each reads the journal. */
  readonly redisUrl?: string | undefined;
  /** Views that a new lake starts with. */
  readonly views: ReadonlyMap<string, RegisteredView>;
  /** How versions will be ordered, by source: refused where they are ordered otherwise already. */
  readonly orders?: ReadonlyMap<string, OrderPolicy>;
  readonly flush?: FlushPolicy;
  readonly clock?: Clock;
  readonly onError?: (error: unknown) => void;
}

/** The live side of a serving process. */
export interface Live {
  readonly journal: EventStore;
  readonly rows: LiveLake;
  /** Where the rows' versions come from. */
  readonly store: LiveStore;
  /** How the changes of each source reach the journal now. */
  readonly states: SourceLiveBoard;
  /** Makes everything accepted so far part of the lake now. */
  flush(): Promise<void>;
  /** Ends the background work after what is under way, then closes the journal. Nothing acknowledged is lost. */
  close(): Promise<void>;
}

/** After a flush that failed the next waits so long: others' changes went in, and one per look would make as many snapshots. */
const FLUSH_AGAIN_MS = 10_000;
/** How often a new snapshot of another process and the need to flush are looked for. */
const LOOK_MS = 500;

/** Follows snapshots and flushes by policy, one piece of work after the other. */
class Keeper {
  private readonly options: LiveOptions;
  private readonly journal: EventStore;
  private readonly rows: LiveLake;
  private readonly store: LiveStore;
  private readonly policy: FlushPolicy;
  private readonly clock: Clock;
  private readonly stop = new AbortController();
  private readonly flushed: { readonly upTo: number; readonly atMs: number }[] = [];
  private liveSinceMs: number | undefined;
  private notBeforeMs = Number.NEGATIVE_INFINITY;
  /** The snapshot that was looked at last. */
  private head: Snapshot | undefined;
  /** The snapshot whose losses were declared last. */
  private declared = 0;
  private readonly ended: Promise<void>;

  constructor(options: LiveOptions, { journal, rows, store }: Pick<Live, "journal" | "rows" | "store">) {
    this.options = options;
    this.journal = journal;
    this.rows = rows;
    this.store = store;
    this.policy = options.flush ?? FLUSH_POLICY;
    this.clock = options.clock ?? systemClock;
    this.ended = this.run();
  }

  private async run(): Promise<void> {
    while (!this.stop.signal.aborted) {
      try {
        await this.rows.refresh();
        await this.look();
        // Of several processes on one store one is enough; two at once do no harm.
        if (this.isDue() && this.store.leads) await this.flush();
        if (this.store.leads) await this.declare();
        await this.trim();
      } catch (error) {
        this.options.onError?.(error);
      }
      await sleep(LOOK_MS, undefined, { signal: this.stop.signal }).catch(() => undefined);
    }
  }

  /** What flushes before the lake was set back have covered is covered no longer, or since a moment ago. */
  private async look(): Promise<void> {
    const { history } = this.options.lake;
    const head = await history.latest();
    if (head === undefined || head.id === this.head?.id) return;
    if (await wasSetBack(history, this.head, head)) this.flushed.length = 0;
    this.head = head;
  }

  /** A lake is set back by a snapshot, or while nobody serves it. */
  private async declare(): Promise<void> {
    if (this.head === undefined || this.head.id === this.declared) return;
    await declareLosses(this.options.lake, this.journal);
    this.declared = this.head.id;
  }

  private isDue(): boolean {
    const { liveResources } = this.rows.state();
    const now = this.clock.now().getTime();
    if (now < this.notBeforeMs) return false;
    if (liveResources === 0) this.liveSinceMs = undefined;
    else this.liveSinceMs ??= now;
    if (liveResources >= this.policy.resources) return true;
    return this.liveSinceMs !== undefined && now - this.liveSinceMs >= this.policy.ageMs;
  }

  async flush(): Promise<void> {
    const { lake, views } = this.options;
    this.notBeforeMs = this.clock.now().getTime() + FLUSH_AGAIN_MS;
    await this.look();
    const { upTo } = await flushJournal(lake, { journal: this.journal, views });
    this.notBeforeMs = Number.NEGATIVE_INFINITY;
    this.liveSinceMs = undefined;
    this.flushed.push({ upTo, atMs: this.clock.now().getTime() });
    await this.look();
    await this.rows.refresh();
  }

  /** Removes changes from the journal that have been covered for long. */
  private async trim(): Promise<void> {
    const now = this.clock.now().getTime();
    let upTo: number | undefined;
    while (this.flushed.length > 0 && now - this.flushed[0]!.atMs >= this.policy.keepCoveredMs) {
      upTo = this.flushed.shift()!.upTo;
    }
    if (upTo === undefined) return;
    await trimCovered(this.options.lake, this.journal, upTo);
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.ended;
  }
}

/** The store that the options ask for. */
async function openStore(options: LiveOptions, journal: EventStore): Promise<LiveStore> {
  const { lake, redisUrl, onError } = options;
  if (redisUrl === undefined) return embeddedStore(journal);
  return openRedisStore({
    url: redisUrl,
    lakeId: await lakeId(lake.store),
    latest: () => lake.history.latest(),
    journal,
    ...(onError === undefined ? {} : { onError }),
  });
}

/** Opens the journal, builds the live rows over the lake and keeps both going. Errors: `batch/order-policy`, those of `LiveLake.start` and the journal's. */
export async function startLive(options: LiveOptions): Promise<Live> {
  const { lake, database, onError } = options;
  const journal = await openEventStore(options.journal);
  let store: LiveStore | undefined;
  try {
    const orders = new SourceOrders(lake, journal);
    for (const [source, order] of options.orders ?? []) await orders.check(source, order);
    const opened = await openStore(options, journal);
    store = opened;
    const rows = await LiveLake.start({
      lake,
      journal,
      database,
      store,
      ...(onError === undefined ? {} : { onError }),
    });
    const states = await SourceLiveBoard.start({
      journal,
      ...(options.clock === undefined ? {} : { clock: options.clock }),
      ...(onError === undefined ? {} : { onError }),
    });
    const keeper = new Keeper(options, { journal, rows, store });
    return {
      journal,
      rows,
      store,
      states,
      flush: () => keeper.flush(),
      close: async () => {
        // Together: what keeps the rows up may wait for a journal that does not answer, until they end.
        await Promise.all([keeper.end(), rows.stop()]);
        await states.stop();
        await opened.close();
        await journal.close();
      },
    };
  } catch (error) {
    await store?.close();
    await journal.close();
    throw error;
  }
}
