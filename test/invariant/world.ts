import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type RegisteredView, registerView } from "#batch";
import { Database } from "#duckdb";
import { type EventStore, openEventStore } from "#events";
import { ChangeReader } from "#ingestion";
import { compact, Lake } from "#lake";
import { changeEvent, changeStream, instantOfMs, parseInstant } from "#landing";
import { createQuery, lakeCatalog, mergedCatalog, type QueryService } from "#query";
import { LiveLake } from "#speed";
import { flushJournal } from "../../src/app/flush.js";
import { ingestNdjson, settle } from "../../src/app/ingest.js";
import { instantOf, type Version } from "./model.js";
import { TEST_VIEWS } from "./views.js";

const SOURCE = "main";
const MIB = 1 << 20;

/** The whole system on a folder of its own: lake, journal, live rows and reads, as one serving process has them. */
export class World {
  readonly folder: string;
  private readonly database: Database;
  private readonly views: ReadonlyMap<string, RegisteredView>;
  private readonly reader: ChangeReader;
  private batches = 0;
  lake!: Lake;
  journal!: EventStore;
  live!: LiveLake;
  query!: QueryService;
  private merged: ReturnType<typeof mergedCatalog> | undefined;

  private constructor(folder: string, database: Database, lake: Lake) {
    this.folder = folder;
    this.database = database;
    this.lake = lake;
    this.reader = new ChangeReader(lake.definitions, { maxDepth: 64 });
    this.views = new Map(
      TEST_VIEWS.map(({ definition }) => [
        definition.name,
        registerView(JSON.stringify(definition), definition.name, lake.definitions, true),
      ]),
    );
  }

  static async create(database: Database): Promise<World> {
    const folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-invariant-"));
    const world = new World(folder, database, await World.openLake(folder));
    await world.batch([]);
    await world.startServing();
    return world;
  }

  private static openLake(folder: string): Promise<Lake> {
    return Lake.open({ location: path.join(folder, "lake"), memoryLimitBytes: 512 * MIB });
  }

  private async startServing(): Promise<void> {
    this.journal = await openEventStore({ file: path.join(this.folder, "journal.sqlite") });
    this.live = await LiveLake.start({ lake: this.lake, journal: this.journal, database: this.database, onError: (error) => console.error("live", error) });
    this.merged = mergedCatalog(lakeCatalog(this.lake), this.live);
    this.query = createQuery({ catalog: this.merged, database: this.database, temporaryFolder: this.folder });
  }

  /** Changes that arrive one at a time: acknowledged when this answers. */
  async notify(versions: readonly Version[]): Promise<void> {
    const head = await this.lake.history.latest();
    const context = {
      source: SOURCE,
      policy: "time" as const,
      receivedAt: instantOfMs(Date.now()),
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
    await ingestNdjson(this.lake, { inputs: [file], source: SOURCE, policy: "time", views: this.views });
    await rm(file);
    await this.live?.refresh();
  }

  async flush(): Promise<void> {
    await flushJournal(this.lake, { journal: this.journal, views: this.views });
    await this.live.refresh();
  }

  async compact(): Promise<void> {
    await compact(this.lake, {});
    await settle(this.lake, { views: this.views });
    await this.live.refresh();
  }

  /** Ends the serving process's part and starts it again: live rows come from the journal. */
  async restart(): Promise<void> {
    await this.stopServing();
    await this.lake.close();
    this.lake = await World.openLake(this.folder);
    await this.startServing();
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
  const folder = path.join(tmpdir(), "fhir-lake-invariant-spill");
  await mkdir(folder, { recursive: true });
  return Database.open({
    memoryLimitBytes: 512 * MIB,
    tempDirectory: folder,
    preserveInsertionOrder: true,
    threads: 1,
  });
}
