import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { type RegisteredView, registerView } from "#batch";
import type { Database } from "#duckdb";
import { type EventStore, openEventStore } from "#events";
import { ChangeReader } from "#ingestion";
import type { Clock } from "#kernel";
import { compact, Lake, restoreSnapshot, vacuum } from "#lake";
import { CHANGES_PREFIX, changeEvent, changeStream, instantOfMs, parseInstant } from "#landing";
import { createQuery, type LakeCatalog, lakeCatalog, mergedCatalog, type SnapshotReader } from "#query";
import { createApp, type RunningServer, silentLogger, startServer } from "#serving";
import { LiveLake, type LiveStore, openRedisStore } from "#speed";
import { LocalStore } from "#storage";
import { flushJournal } from "../../src/app/flush.js";
import { ingestNdjson, settle } from "../../src/app/ingest.js";
import { trimCovered } from "../../src/app/trim-journal.js";
import { type Fault, FaultyStore } from "./faulty-store.js";
import { type Host, type Manner, openEngine } from "./host.js";
import { instantOf, type Version } from "./model.js";
import { type Rows, readByHttp, readPoints } from "./reads.js";
import type { RedisEvent } from "./redis.js";
import { EDITIONS, type TestView } from "./views.js";

const SOURCE = "main";
const DAY_MS = 24 * 3_600_000;

/** A clock that can be wrong. */
class SkewedClock implements Clock {
  minutes = 0;

  now(): Date {
    return new Date(Date.now() + this.minutes * 60_000);
  }
}

/** The part that ends with the process: what a restart begins anew. */
interface Process {
  readonly disk: FaultyStore;
  readonly lake: Lake;
  readonly journal: EventStore;
  readonly live: LiveLake;
  readonly store: LiveStore | undefined;
  readonly catalog: LakeCatalog;
  readonly server: RunningServer | undefined;
}

/** A point that a reader holds. */
export interface HeldPoint {
  readonly reader: SnapshotReader;
  readonly views: readonly TestView[];
}

/** Writes a history Bundle with these versions. A lake begins with its first snapshot, which needs something to store. */
async function writeBundle(file: string, versions: readonly Version[], isFirst: boolean): Promise<void> {
  const entry = versions.map((version) => {
    const lastModified = instantOf(version.clock);
    return version.kind === "U"
      ? `{"resource":${version.text}}`
      : `{"request":{"method":"DELETE","url":"${version.type}/${version.id}"},"response":{"lastModified":"${lastModified}"}}`;
  });
  const first = isFirst ? ['{"resource":{"resourceType":"Basic","id":"first","code":{}}}'] : [];
  const all = [...first, ...entry].join(",");
  await writeFile(file, `{"resourceType":"Bundle","type":"history","entry":[${all}]}`);
}

async function readNow(url: string, views: readonly string[]): Promise<Rows> {
  const rows = new Map<string, string[]>();
  for (const name of views) rows.set(name, await readByHttp(url, name));
  return rows;
}

/** The whole system on a folder of its own: lake, journal, live rows and reads, as one serving process has them. */
export class World {
  private readonly host: Host;
  private readonly manner: Manner;
  private readonly folder: string;
  private readonly database: Database;
  private readonly clock = new SkewedClock();
  private readonly lakeId = randomUUID();
  private process!: Process;
  /** Counts the changes of the views' definitions. */
  edition = 0;
  private batches = 0;
  private flushedUpTo: number | undefined;

  private constructor(host: Host, manner: Manner, folder: string, database: Database) {
    this.host = host;
    this.manner = manner;
    this.folder = folder;
    this.database = database;
  }

  /** The views that the lake has now. */
  get views(): readonly TestView[] {
    return EDITIONS[this.edition % EDITIONS.length]!;
  }

  private registered(lake: Lake): ReadonlyMap<string, RegisteredView> {
    return new Map(
      this.views.map(({ definition }) => [
        definition.name,
        registerView(JSON.stringify(definition), definition.name, lake.definitions, true),
      ]),
    );
  }

  static async create(host: Host, manner: Manner): Promise<World> {
    const folder = await host.place(manner);
    const database = manner === "quick" ? host.reads : await openEngine(folder, true);
    const world = new World(host, manner, folder, database);
    const location = path.join(folder, "lake");
    if (manner === "quick") await host.beginLake(location, (pattern) => world.firstCommit(pattern));
    else await world.firstCommit(location);
    await world.start();
    return world;
  }

  private async openLake(location: string): Promise<{ lake: Lake; disk: FaultyStore }> {
    const disk = new FaultyStore(new LocalStore(location));
    const engine = this.manner === "quick" ? { engine: this.host.writes } : {};
    const lake = await Lake.open({
      location,
      store: disk.store,
      memoryLimitBytes: 512 * 2 ** 20,
      clock: this.clock,
      ...engine,
    });
    return { lake, disk };
  }

  private async firstCommit(location: string): Promise<void> {
    const { lake } = await this.openLake(location);
    await this.ingest(lake, []);
    await lake.close();
  }

  private async start(): Promise<void> {
    const { database, folder } = this;
    const { lake, disk } = await this.openLake(path.join(folder, "lake"));
    const journal = await openEventStore({
      file: path.join(folder, "journal.sqlite"),
      thread: this.manner === "plain",
    });
    const store = await this.openStore(lake, journal);
    const live = await LiveLake.start({
      lake,
      journal,
      database,
      ...(store === undefined ? {} : { store }),
      onError: (error) => {
        if (!disk.dead) console.error("live", error);
      },
    });
    const catalog = mergedCatalog({ batch: lakeCatalog(lake), live, database });
    const server = this.manner === "plain" ? await this.serve(catalog) : undefined;
    this.process = { disk, lake, journal, live, store, catalog, server };
  }

  private async openStore(lake: Lake, journal: EventStore): Promise<LiveStore | undefined> {
    const { redis } = this.host;
    if (redis === undefined) return undefined;
    return openRedisStore({
      url: redis.url,
      lakeId: this.lakeId,
      latest: () => lake.history.latest(),
      journal,
      onError: () => undefined,
    });
  }

  private serve(catalog: LakeCatalog): Promise<RunningServer> {
    const query = createQuery({ catalog, database: this.database, temporaryFolder: this.folder });
    const app = createApp({ catalog, query, clock: this.clock, log: silentLogger });
    return startServer(app, { host: "127.0.0.1", port: 0 });
  }

  private async stop(): Promise<void> {
    const { server, live, store, journal, lake } = this.process;
    await server?.close();
    await live.stop();
    await store?.close();
    await journal.close();
    await lake.close();
  }

  /** Changes that arrive one at a time: acknowledged when this answers. The position of the last one. */
  async accept(versions: readonly Version[]): Promise<number> {
    const { lake, journal } = this.process;
    const reader = new ChangeReader(lake.definitions, { maxDepth: 64 });
    const head = await lake.history.latest();
    const context = {
      source: SOURCE,
      policy: "time" as const,
      receivedAt: instantOfMs(this.clock.now().getTime()),
      sequence: head?.landings[0] ?? 0,
    };
    const appended = versions.map((version) => {
      const text = instantOf(version.clock);
      const change =
        version.kind === "U"
          ? reader.update(Buffer.from(version.text), context)
          : reader.delete({ ...version, lastUpdated: { text, instant: parseInstant(text)! } }, context);
      return journal.append({
        stream: changeStream(SOURCE),
        events: [changeEvent(change)],
        expected: "any",
      });
    });
    const results = await Promise.all(appended);
    return Math.max(0, ...results.map((result) => result.position));
  }

  /** {@link accept}, and reads see the changes when this answers. */
  async notify(versions: readonly Version[]): Promise<void> {
    await this.process.live.reached(await this.accept(versions));
  }

  /** A nightly batch with these versions; it does not fold the journal in. */
  async batch(versions: readonly Version[]): Promise<void> {
    await this.ingest(this.process.lake, versions);
    await this.process.live.refresh();
  }

  private async ingest(lake: Lake, versions: readonly Version[]): Promise<void> {
    const isFirst = (await lake.history.latest()) === undefined;
    const file = path.join(this.folder, `batch-${this.batches++}.json`);
    await writeBundle(file, versions, isFirst);
    try {
      const views = this.registered(lake);
      await ingestNdjson(lake, { inputs: [file], source: SOURCE, policy: "time", views });
    } finally {
      await rm(file);
    }
  }

  async flush(): Promise<void> {
    const { lake, journal, live } = this.process;
    const { upTo } = await flushJournal(lake, { journal, views: this.registered(lake) });
    this.flushedUpTo = upTo;
    await live.refresh();
  }

  /** Removes from the journal what the last flush covered. */
  async trim(): Promise<void> {
    const { lake, journal, live } = this.process;
    if (this.flushedUpTo === undefined) return;
    await trimCovered(lake, journal, this.flushedUpTo);
    await live.refresh();
  }

  /** The number of the newest snapshot. */
  async newest(): Promise<number> {
    return (await this.process.lake.head()).id;
  }

  /**
   * Makes the state of an older snapshot the newest, with the views it had. False when it is no longer kept, or the journal no longer has what came
   * after it: what is missing then is declared, not known.
   */
  async restore(snapshot: number, edition: number): Promise<boolean> {
    const { lake, journal, live } = this.process;
    if (!(await lake.history.ids()).includes(snapshot)) return false;
    const covered = (await lake.history.at(snapshot)).sources[SOURCE]?.journalPosition ?? 0;
    if (covered < (await journal.trimmedTo(CHANGES_PREFIX))) return false;
    await restoreSnapshot(lake, snapshot);
    this.edition = edition;
    await live.refresh();
    return true;
  }

  async compact(): Promise<void> {
    const { lake, live } = this.process;
    await compact(lake, { full: true });
    await live.refresh();
  }

  async vacuum(hasReaders: boolean): Promise<void> {
    const graceMs = hasReaders ? 3 * DAY_MS : 0;
    await vacuum(this.process.lake, { keepSnapshots: 1, graceMs });
  }

  /** Sets the machine's clock. */
  skew(minutes: number): void {
    this.clock.minutes = minutes;
  }

  /** Gives a view another definition and builds it. */
  async changeView(): Promise<void> {
    this.edition++;
    await this.buildViews();
  }

  /** Builds what is due. */
  async buildViews(): Promise<void> {
    const { lake, live } = this.process;
    await settle(lake, { views: this.registered(lake) });
    await live.refresh();
  }

  /** Ends the process and starts another: live rows come from the journal. */
  async restart(): Promise<void> {
    await this.stop();
    this.flushedUpTo = undefined;
    await this.start();
  }

  /**
   * Does work in which the write after `after` others goes wrong. Tells whether it did; the work has then failed or not, as it may. After a
   * crash there is a new process.
   */
  async withFault(after: number, fault: Fault, work: () => Promise<unknown>): Promise<boolean> {
    const { disk } = this.process;
    disk.arm(after, fault);
    try {
      await work();
    } catch (error) {
      if (!disk.struck) throw error;
    }
    const { struck } = disk;
    disk.arm(undefined, fault);
    if (struck && fault.startsWith("crash")) await this.restart();
    return struck;
  }

  async redis(event: RedisEvent): Promise<void> {
    await this.host.redis?.happen(event);
  }

  /** Waits until reads see everything that was accepted. */
  async catchUp(): Promise<void> {
    const { live, journal } = this.process;
    await live.reached(await journal.head());
    await live.refresh();
  }

  /** Holds the newest point; its reads must stay the same until it is released. */
  async hold(): Promise<HeldPoint> {
    return { reader: (await this.process.catalog.latest())!, views: this.views };
  }

  /** The rows of these views now, then of those of each held point. */
  async read(views: readonly TestView[], held: readonly HeldPoint[] = []): Promise<Rows[]> {
    const { reader } = await this.hold();
    const names = (asked: readonly TestView[]): string[] => asked.map(({ definition }) => definition.name);
    const points = [{ reader, views }, ...held].map((point) => ({ ...point, views: names(point.views) }));
    try {
      const rows = await readPoints(this.database, points);
      const { server } = this.process;
      if (server !== undefined) rows[0] = await readNow(server.url, names(views));
      return rows;
    } finally {
      reader.release();
    }
  }

  async close(): Promise<void> {
    await this.stop();
    await this.host.redis?.reset();
    if (this.manner === "plain") this.database.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
