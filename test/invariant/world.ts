import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type RegisteredView, registerView } from "#batch";
import { Database } from "#duckdb";
import { type EventStore, openEventStore } from "#events";
import { ChangeReader } from "#ingestion";
import type { Clock } from "#kernel";
import { compact, Lake, vacuum } from "#lake";
import { changeEvent, changeStream, instantOfMs, parseInstant } from "#landing";
import { createQuery, lakeCatalog, mergedCatalog, type QueryService } from "#query";
import { LiveLake } from "#speed";
import { flushJournal } from "../../src/app/flush.js";
import { ingestNdjson, settle } from "../../src/app/ingest.js";
import { instantOf, type Version } from "./model.js";
import { EDITIONS, type TestView } from "./views.js";

const SOURCE = "main";
const MIB = 1 << 20;

/** A clock that can be wrong. */
class SkewedClock implements Clock {
  minutes = 0;

  now(): Date {
    return new Date(Date.now() + this.minutes * 60_000);
  }
}

/** A folder in memory where there is one: what is tested here is not the disk. */
function scratch(): string {
  return existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
}

function openLake(folder: string, clock: Clock): Promise<Lake> {
  return Lake.open({ location: path.join(folder, "lake"), memoryLimitBytes: 512 * MIB, clock });
}

/** The whole system on a folder of its own: lake, journal, live rows and reads, as one serving process has them. */
export class World {
  readonly folder: string;
  private readonly database: Database;
  private edition = 0;
  private readonly clock: SkewedClock;
  private readonly reader: ChangeReader;
  private batches = 0;
  lake!: Lake;
  journal!: EventStore;
  live!: LiveLake;
  query!: QueryService;
  private merged: ReturnType<typeof mergedCatalog> | undefined;

  private constructor(folder: string, database: Database, clock: SkewedClock, lake: Lake) {
    this.folder = folder;
    this.database = database;
    this.clock = clock;
    this.lake = lake;
    this.reader = new ChangeReader(lake.definitions, { maxDepth: 64 });
  }

  /** The views that the lake has now. */
  get views(): readonly TestView[] {
    return EDITIONS[this.edition % EDITIONS.length]!;
  }

  private get registered(): ReadonlyMap<string, RegisteredView> {
    return new Map(
      this.views.map(({ definition }) => [
        definition.name,
        registerView(JSON.stringify(definition), definition.name, this.lake.definitions, true),
      ]),
    );
  }

  static async create(database: Database): Promise<World> {
    const folder = await mkdtemp(path.join(scratch(), "fhir-lake-invariant-"));
    const clock = new SkewedClock();
    const world = new World(folder, database, clock, await openLake(folder, clock));
    await world.batch([]);
    await world.startServing();
    return world;
  }

  private async startServing(): Promise<void> {
    this.journal = await openEventStore({ file: path.join(this.folder, "journal.sqlite") });
    this.live = await LiveLake.start({
      lake: this.lake,
      journal: this.journal,
      database: this.database,
      onError: (error) => console.error("live", error),
    });
    this.merged = mergedCatalog({
      batch: lakeCatalog(this.lake),
      live: this.live,
      database: this.database,
    });
    this.query = createQuery({ catalog: this.merged, database: this.database, temporaryFolder: this.folder });
  }

  /** Changes that arrive one at a time: acknowledged when this answers. */
  async notify(versions: readonly Version[]): Promise<void> {
    const head = await this.lake.history.latest();
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
          ? this.reader.update(Buffer.from(version.text), context)
          : this.reader.delete({ ...version, lastUpdated: { text, instant: parseInstant(text)! } }, context);
      return this.journal.append({
        stream: changeStream(SOURCE),
        events: [changeEvent(change)],
        expected: "any",
      });
    });
    const results = await Promise.all(appended);
    await this.live.reached(Math.max(0, ...results.map((result) => result.position)));
  }

  /** A nightly batch with these versions; it does not fold the journal in. */
  async batch(versions: readonly Version[]): Promise<void> {
    const file = path.join(this.folder, `batch-${this.batches++}.json`);
    const entry = versions.map((version) => {
      const lastModified = instantOf(version.clock);
      return version.kind === "U"
        ? `{"resource":${version.text}}`
        : `{"request":{"method":"DELETE","url":"${version.type}/${version.id}"},"response":{"lastModified":"${lastModified}"}}`;
    });
    // A lake begins with its first snapshot, which needs something to store.
    const first = this.batches === 1 ? ['{"resource":{"resourceType":"Basic","id":"first","code":{}}}'] : [];
    await writeFile(
      file,
      `{"resourceType":"Bundle","type":"history","entry":[${[...first, ...entry].join(",")}]}`,
    );
    await ingestNdjson(this.lake, { inputs: [file], source: SOURCE, policy: "time", views: this.registered });
    await rm(file);
    await this.live?.refresh();
  }

  async flush(): Promise<void> {
    await flushJournal(this.lake, { journal: this.journal, views: this.registered });
    await this.live.refresh();
  }

  async compact(): Promise<void> {
    await compact(this.lake, {});
    await settle(this.lake, { views: this.registered });
    await this.live.refresh();
  }

  /** Ends the serving process's part and starts it again: live rows come from the journal. */
  async restart(): Promise<void> {
    await this.stopServing();
    await this.lake.close();
    this.lake = await openLake(this.folder, this.clock);
    await this.startServing();
  }

  async vacuum(readers: boolean): Promise<void> {
    await vacuum(this.lake, { keepSnapshots: 1, graceMs: readers ? 3_600_000 * 24 * 3 : 0 });
  }

  /** Sets the machine's clock. */
  skew(minutes: number): void {
    this.clock.minutes = minutes;
  }

  /** Gives a view another definition and builds it. */
  async changeView(): Promise<void> {
    this.edition++;
    await settle(this.lake, { views: this.registered });
    await this.live.refresh();
  }

  /** Waits until reads see everything that was accepted. */
  async catchUp(): Promise<void> {
    await this.live.reached(await this.journal.head());
    await this.live.refresh();
  }

  /** Holds the newest point; its reads must stay the same. */
  async pin(): Promise<{ read: (view: string) => Promise<string[]>; release: () => void }> {
    const reader = (await this.merged!.latest())!;
    return {
      read: async (name) => {
        const view = reader.views.get(name)!;
        const columns = view.columns
          .map((column) => `"${column.name}"::VARCHAR AS "${column.name}"`)
          .join(", ");
        const relation = await view.relation();
        const rows = await this.database.with((connection) =>
          connection.rows<Record<string, string | null>>(`SELECT ${columns} FROM ${relation}`),
        );
        return rows.map((row) => JSON.stringify(Object.values(row))).sort();
      },
      release: () => reader.release(),
    };
  }

  /** The view's rows as texts, sorted. */
  async read(view: string): Promise<string[]> {
    const read = await this.query.readView({ view });
    try {
      return (await read.texts()).map((row) => JSON.stringify(row)).sort();
    } finally {
      read.release();
    }
  }

  private async stopServing(): Promise<void> {
    await this.live.stop();
    await this.journal.close();
  }

  async close(): Promise<void> {
    await this.stopServing();
    await this.lake.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** An engine for reads, which may serve many worlds one after the other. */
export async function openReadEngine(): Promise<Database> {
  const folder = path.join(scratch(), "fhir-lake-invariant-spill");
  await mkdir(folder, { recursive: true });
  return Database.open({
    memoryLimitBytes: 512 * MIB,
    tempDirectory: folder,
    preserveInsertionOrder: true,
    threads: 1,
  });
}
