import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Database } from "#duckdb";
import { type EventStore, openEventStore, type StoredEvent } from "#events";
import { Lake, restoreSnapshot } from "#lake";
import { embeddedStore, LiveLake, type LiveStore } from "#speed";
import { LocalStore, type ObjectStore } from "#storage";
import { flushJournal } from "../../src/app/flush.js";
import { startLive } from "../../src/app/live.js";
import { trimCovered } from "../../src/app/trim-journal.js";
import { appendChanges } from "../../src/speed/live-store.contract.js";

let folder: string;
let lake: Lake;
let journal: EventStore;
let database: Database;
/** What goes wrong with the next reads of the lake. */
let broken: Error | undefined;

/** The port to the lake's files, which can be out of reach. */
function unreliable(inner: ObjectStore): ObjectStore {
  return new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "get") return value.bind(target) as unknown;
      return async (key: string) => {
        if (broken !== undefined) throw broken;
        return target.get(key);
      };
    },
  });
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-set-back-"));
  broken = undefined;
  const location = path.join(folder, "lake");
  lake = await Lake.open({ location, store: unreliable(new LocalStore(location)) });
  journal = await openEventStore({ file: path.join(folder, "journal.sqlite") });
  database = await Database.open({ memoryLimitBytes: 2 ** 28, tempDirectory: folder });
});
afterEach(async () => {
  database.close();
  await journal.close();
  await lake.close();
  await rm(folder, { recursive: true, force: true });
});

const change = (id: string, source = "main"): Promise<void> =>
  appendChanges(journal, [{ source, id, clock: 1, deletes: false }]);
const flush = (): ReturnType<typeof flushJournal> => flushJournal(lake, { journal, views: new Map() });
const patients = async (): Promise<number> => (await lake.head()).tables["Patient"]!.resourceCount;
const journalled = async (stream: string): Promise<StoredEvent[]> => {
  const events: StoredEvent[] = [];
  for await (const event of journal.readStream(stream)) events.push(event);
  return events;
};

describe("changes that the lake was set back before", () => {
  it("stay in the journal until they are flushed again", async () => {
    await change("a");
    await flush();
    await change("b");
    const { upTo } = await flush();
    await restoreSnapshot(lake, 1);
    expect(await trimCovered(lake, journal, upTo)).toBe(false);
    expect(await journal.trimmedTo("changes/")).toBe(0);
    expect((await flush()).changes).toEqual({ main: 1 });
    expect(await trimCovered(lake, journal, upTo)).toBe(true);
    expect(await journal.trimmedTo("changes/")).toBe(upTo);
    expect(await patients()).toBe(2);
  });

  it("are trimmed by a serving process only when they have been covered again for as long as ever", async () => {
    let nowMs = Date.now();
    const never = Number.MAX_SAFE_INTEGER;
    const live = await startLive({
      lake,
      database,
      journal: { file: path.join(folder, "journal.sqlite") },
      views: new Map(),
      flush: { resources: never, ageMs: never, keepCoveredMs: 1000 },
      clock: { now: () => new Date(nowMs) },
    });
    try {
      await change("a");
      await live.flush();
      await change("b");
      const last = await journal.head();
      await live.flush();
      await restoreSnapshot(lake, 1);
      await expect.poll(() => live.rows.state(), { timeout: 20_000 }).toMatchObject({ snapshot: 3 });
      await sleep(1200);
      nowMs += 900;
      await live.flush();
      expect(await patients()).toBe(2);
      nowMs += 900;
      await sleep(1200);
      expect(await journal.trimmedTo("changes/")).toBe(0);
      nowMs += 900;
      await expect.poll(() => journal.trimmedTo("changes/"), { timeout: 20_000 }).toBe(last);
    } finally {
      await live.close();
    }
  });
});

describe("changes that had left the journal when the lake was set back before them", () => {
  /** `main` loses b. */
  const lose = async (): Promise<void> => {
    await change("x", "other");
    await change("a");
    await flush();
    const kept = (await lake.head()).id;
    await change("b");
    await trimCovered(lake, journal, (await flush()).upTo);
    await restoreSnapshot(lake, kept);
  };

  it("are declared once, and keep nothing that comes after them from being flushed", async () => {
    await lose();
    await change("c");
    await change("y", "other");
    const { changes, snapshot, upTo } = await flush();
    expect(changes).toEqual({ main: 1, other: 1 });
    expect(snapshot!.sources["main"]).toMatchObject({ journalPosition: upTo, loss: { upTo: 4 } });
    await change("d");
    expect((await flush()).changes).toEqual({ main: 1 });
    const told = await journalled("subscription/main");
    expect(told.map(({ type }) => type)).toEqual(["window-dirty"]);
  });

  it("are declared by every answer, also of the next process, and by one that serves without changes to flush", async () => {
    await lose();
    const live = await startLive({
      lake,
      database,
      journal: { file: path.join(folder, "journal.sqlite") },
      views: new Map(),
    });
    const degraded = "of main";
    expect(live.rows.state().degraded).toContain(degraded);
    await expect
      .poll(async () => (await lake.head()).sources["main"]!.loss, { timeout: 20_000 })
      .toMatchObject({ upTo: 4 });
    await expect.poll(() => journalled("subscription/main"), { timeout: 20_000 }).toHaveLength(1);
    await live.rows.refresh();
    expect(live.rows.state().degraded).toContain(degraded);
    await live.close();
    const next = await LiveLake.start({ lake, journal, database });
    expect(next.state().degraded).toContain(degraded);
    await next.stop();
  });

  it("are declared of a source that the lake no longer knows, as soon as it is flushed", async () => {
    await change("a");
    await change("b");
    await journal.trim("changes/", 1);
    const { snapshot } = await flush();
    expect(snapshot!.sources["main"]).toMatchObject({ journalPosition: 2, loss: { upTo: 1 } });
    expect(await patients()).toBe(1);
  });

  it("are lost again when the lake goes back to where they were", async () => {
    await lose();
    await change("c");
    const { snapshot } = await flush();
    await change("d");
    await flush();
    await restoreSnapshot(lake, snapshot!.id);
    const before = snapshot!.sources["main"]!.loss!;
    const { loss } = (await lake.head()).sources["main"]!;
    expect(loss!.upTo).toBe(before.upTo);
    expect(loss!.id).not.toBe(before.id);
  });
});

describe("one source that cannot be flushed", () => {
  it("does not keep others from being flushed", async () => {
    await change("a", "a-source");
    await change("b", "b-source");
    await flush();
    // Versions of a source never change the rule by which they are ordered.
    const [event] = await journalled("changes/a-source");
    const { id: _id, data, payload, subject } = event!;
    await journal.append({
      stream: "changes/a-source",
      events: [
        {
          type: event!.type,
          data: { ...(data as object), policy: "version" },
          ...(payload === undefined ? {} : { payload, subject: subject! }),
        },
      ],
      expected: "any",
    });
    await change("c", "b-source");
    await expect(flush()).rejects.toMatchObject({ code: "batch/order-policy" });
    expect((await lake.head()).sources["b-source"]!.journalPosition).toBe(5);
    expect((await lake.head()).sources["a-source"]!.journalPosition).toBeLessThan(3);
  });
});

describe("live rows over a lake that was set back", () => {
  /** A store that counts who follows it, and cannot be followed when `fails`. */
  const counted = (): { store: LiveStore; counts: { following: number; fails: boolean } } => {
    const counts = { following: 0, fails: false };
    const embedded = embeddedStore(journal);
    const store: LiveStore = {
      ...embedded,
      follow: (request) => {
        if (counts.fails) throw new Error("the store cannot be followed");
        counts.following++;
        const subscription = embedded.follow(request);
        let ended = false;
        return {
          get position() {
            return subscription.position;
          },
          get currentAt() {
            return subscription.currentAt;
          },
          reached: (position) => subscription.reached(position),
          stop: async () => {
            if (!ended) counts.following--;
            ended = true;
            // As one that has much under way.
            await sleep(50);
            await subscription.stop();
          },
        };
      },
    };
    return { store, counts };
  };
  const setBack = async (): Promise<void> => {
    await change("a");
    await flush();
    await change("b");
    await flush();
  };

  it("are begun anew once, however many look for a newer snapshot", async () => {
    const { store, counts } = counted();
    await setBack();
    const live = await LiveLake.start({ lake, journal, database, store });
    await restoreSnapshot(lake, 1);
    await Promise.all([live.refresh(), live.refresh(), live.refresh()]);
    expect(counts.following).toBe(1);
    expect(live.state()).toMatchObject({ snapshot: 3, liveResources: 1, degraded: undefined });
    await live.stop();
    expect(counts.following).toBe(0);
  });

  it("are begun anew again when that failed, and whoever waits for a change gets it then", async () => {
    const { store, counts } = counted();
    await setBack();
    const live = await LiveLake.start({ lake, journal, database, store });
    await restoreSnapshot(lake, 1);
    const waiting = live.reached(4);
    counts.fails = true;
    await expect(live.refresh()).rejects.toThrow("the store cannot be followed");
    await expect(live.refresh()).rejects.toThrow("the store cannot be followed");
    expect(live.state().degraded).toContain("cannot be read over");
    // An empty lake, which is what stands there now, would be a wrong answer.
    expect(() => live.hold()).toThrow(expect.objectContaining({ code: "speed/point-gone" }));
    counts.fails = false;
    await change("c");
    await live.refresh();
    await waiting;
    await live.reached(4);
    expect(live.state()).toMatchObject({
      snapshot: 3,
      position: 4,
      liveResources: 2,
      degraded: undefined,
    });
    expect(counts.following).toBe(1);
    await live.stop();
  });

  it("tell whoever waits for a change that they end", async () => {
    const { store, counts } = counted();
    await setBack();
    const live = await LiveLake.start({ lake, journal, database, store });
    await restoreSnapshot(lake, 1);
    counts.fails = true;
    await expect(live.refresh()).rejects.toThrow();
    const waiting = live.reached(9);
    const outcome = expect(waiting).rejects.toThrow("no longer kept up");
    await live.stop();
    await outcome;
  });
});

describe("a newest snapshot that cannot be read", () => {
  it("is declared until it can", async () => {
    await change("a");
    await flush();
    const live = await LiveLake.start({ lake, journal, database });
    expect(live.state().degraded).toBeUndefined();
    broken = new Error("the bucket is out of reach");
    await expect(live.refresh()).rejects.toThrow("out of reach");
    expect(live.state().degraded).toContain("cannot be read over");
    broken = undefined;
    await live.refresh();
    expect(live.state().degraded).toBeUndefined();
    await live.stop();
  });
});
