import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { commitLanding } from "#batch";
import { Database } from "#duckdb";
import { type EventStore, openEventStore } from "#events";
import { commitSourceState, Lake } from "#lake";
import { embeddedStore, LiveLake, type LiveStore, openRedisStore } from "#speed";
import { goOnWith } from "../../src/app/adopt-journal.js";
import { flushJournal } from "../../src/app/flush.js";
import { appendChanges } from "../../src/speed/live-store.contract.js";
import { currentRows } from "../support/current-rows.js";
import { land } from "../support/landing.js";
import { type RedisServer, redisAvailable, startRedis } from "../support/redis-server.js";
import { setBack } from "../support/set-back.js";

const BEHIND = { code: "speed/journal-behind", kind: "conflict" };
const OTHER = { code: "speed/other-journal", kind: "conflict" };

describe("a lake beside a journal that is not the one whose changes it holds", () => {
  let folder: string;
  let lake: Lake;
  let journal: EventStore;
  let database: Database;
  let redis: RedisServer | undefined;
  beforeAll(async () => {
    redis = redisAvailable() ? await startRedis() : undefined;
  });
  afterAll(() => redis?.stop());
  const file = (name: string): string => path.join(folder, `${name}.sqlite`);
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-journals-"));
    lake = await Lake.open({ location: path.join(folder, "lake") });
    journal = await openEventStore({ file: file("journal") });
    database = await Database.open({ memoryLimitBytes: 2 ** 28, tempDirectory: folder });
  });
  afterEach(async () => {
    database.close();
    await journal.close();
    await lake.close();
    await rm(folder, { recursive: true, force: true });
  });

  const change = (to: EventStore, ...ids: string[]): Promise<void> =>
    appendChanges(
      to,
      ids.map((id) => ({ source: "main", id, clock: 1, deletes: false })),
    );
  const flush = (from = journal) => flushJournal(lake, { journal: from, views: new Map() });
  const start = (over = journal, told: unknown[] = [], store = embeddedStore(over)): Promise<LiveLake> =>
    LiveLake.start({ lake, journal: over, database, store, onError: (error) => told.push(error) });
  const resources = async (): Promise<string[]> =>
    [...(await currentRows(lake, "WHERE NOT _lake_deleted")).keys()].sort();
  /** Another journal, with changes of its own. */
  const another = async (...ids: string[]): Promise<EventStore> => {
    const other = await openEventStore({ file: file("other") });
    await change(other, ...ids);
    return other;
  };

  it("neither starts nor flushes over a journal that ends before what it holds", async () => {
    await change(journal, "a", "b", "c");
    await flush();
    setBack(file("journal"), 2);
    await expect(start()).rejects.toMatchObject({ ...BEHIND, details: { head: 2, covered: 3 } });
    await expect(flush()).rejects.toMatchObject(BEHIND);
  });

  it("nor over an empty one", async () => {
    await change(journal, "a", "b");
    await flush();
    const empty = await another();
    await expect(start(empty)).rejects.toMatchObject(BEHIND);
    expect(await empty.head()).toBe(0);
    await empty.close();
  });

  it("nor over one with more changes of its own", async () => {
    await change(journal, "a", "b");
    await flush();
    const other = await another("x", "y", "z");
    await expect(start(other)).rejects.toMatchObject(OTHER);
    await expect(flush(other)).rejects.toMatchObject(OTHER);
    await other.close();
  });

  it("nor over its own that was set back and written on", async () => {
    await change(journal, "a");
    await flush();
    await change(journal, "b");
    await flush();
    const covered = await journal.head();
    setBack(file("journal"), covered - 1);
    await change(journal, "c", "d");
    await expect(start()).rejects.toMatchObject(OTHER);
    await expect(flush()).rejects.toMatchObject(OTHER);
  });

  it("compares ends alone where an early release has covered the journal", async () => {
    await change(journal, "a");
    const landing = await land([{ resource: { resourceType: "Patient", id: "p" } }], { source: "main" });
    await commitLanding(lake, { ...landing, views: new Map() });
    await commitSourceState(lake, "main", { journalPosition: 2 });
    await expect(start()).rejects.toMatchObject(BEHIND);
    await change(journal, "b");
    await (await start()).stop();
  });

  it("goes on over its own after that was trimmed", async () => {
    await change(journal, "a", "b");
    await flush();
    await journal.trim("changes/", 2);
    await change(journal, "c");
    await flush();
    await (await start()).stop();
  });

  const stores: [string, boolean, () => Promise<LiveStore>][] = [
    ["from the journal", true, async () => embeddedStore(journal)],
    [
      "from Redis",
      redisAvailable(),
      () => openRedisStore({ url: redis!.url, lakeId: folder, journal, latest: () => lake.history.latest() }),
    ],
  ];
  describe.each(stores.filter(([, isAvailable]) => isAvailable))("whose changes come %s", (_, __, open) => {
    it("declares while serving that changes which were read are gone, and reads what stands there instead", async () => {
      await change(journal, "a");
      await flush();
      const told: unknown[] = [];
      const store = await open();
      const live = await start(journal, told, store);
      await change(journal, "b", "c");
      await live.reached(await journal.head());
      expect(live.state()).toMatchObject({ liveResources: 2, degraded: undefined });
      setBack(file("journal"), (await journal.head()) - 2);
      await expect.poll(() => told).toContainEqual(expect.objectContaining({ code: "events/set-back" }));
      await change(journal, "d");
      await live.refresh();
      const position = await journal.head();
      await live.reached(position);
      expect(live.state()).toMatchObject({
        position,
        liveResources: 1,
        degraded: expect.stringContaining("lost") as string,
      });
      await live.stop();
      await store.close();
    });
  });

  it("declares while serving that the journal has lost what a snapshot holds", async () => {
    await change(journal, "a");
    await flush();
    await change(journal, "b");
    await flush();
    const live = await start();
    const covered = await journal.head();
    setBack(file("journal"), covered - 1);
    await change(journal, "c", "d");
    await expect(live.refresh()).rejects.toMatchObject(OTHER);
    expect(live.state().degraded).toContain("not the one");
    await live.stop();
  });

  it("adopts a journal when told to, folds in all that it holds and asks sources for everything", async () => {
    await change(journal, "a", "b");
    await flush();
    await commitSourceState(lake, "main", {
      watermarks: { Patient: "2026-01-01T00:00:00Z" },
      deletesVerified: true,
    });
    const other = await another("b", "c");
    await expect(start(other)).rejects.toMatchObject(OTHER);
    const adopted = await goOnWith(lake, other);
    expect(adopted?.sources["main"]).toMatchObject({ journalPosition: 0, deletesVerified: false });
    expect(adopted?.sources["main"]).toMatchObject({ loss: { upTo: 0 } });
    const live = await start(other);
    expect(live.state().degraded).toMatch(/may be missing.* of main/);
    await live.stop();
    await flush(other);
    expect(await resources()).toEqual(["Patient/a", "Patient/b", "Patient/c"]);
    await expect(start()).rejects.toMatchObject({ kind: "conflict" });
    await other.close();
  });

  it("adopts an empty journal", async () => {
    await change(journal, "a");
    await flush();
    const empty = await another();
    await goOnWith(lake, empty);
    await change(empty, "b");
    await flush(empty);
    expect(await resources()).toEqual(["Patient/a", "Patient/b"]);
    await empty.close();
  });
});
