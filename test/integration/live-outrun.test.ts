import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Database } from "#duckdb";
import { type EventStore, openEventStore } from "#events";
import { Lake } from "#lake";
import { embeddedStore, LiveLake, type LiveStore } from "#speed";
import { flushJournal } from "../../src/app/flush.js";
import { appendChanges } from "../../src/speed/live-store.contract.js";

let folder: string;
let lake: Lake;
let journal: EventStore;
let database: Database;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-outrun-"));
  lake = await Lake.open({ location: path.join(folder, "lake") });
  journal = await openEventStore({ file: path.join(folder, "journal.sqlite") });
  database = await Database.open({ memoryLimitBytes: 2 ** 28, tempDirectory: folder });
});
afterEach(async () => {
  database.close();
  await journal.close();
  await lake.close();
  await rm(folder, { recursive: true, force: true });
});

const change = (id: string): Promise<void> =>
  appendChanges(journal, [{ source: "main", id, clock: 1, deletes: false }]);

it("begins anew when the journal was trimmed beyond what it had read", async () => {
  const gate: { open?: () => void } = {};
  const closed = new Promise<void>((resolve) => {
    gate.open = resolve;
  });
  const embedded = embeddedStore(journal);
  let waits = true;
  const slow: LiveStore = {
    ...embedded,
    follow: (request) =>
      embedded.follow({
        ...request,
        handle: async (events) => {
          if (waits) await closed;
          await request.handle(events);
        },
      }),
  };
  const told: unknown[] = [];
  const live = await LiveLake.start({
    lake,
    journal,
    database,
    store: slow,
    onError: (error) => told.push(error),
  });
  await change("a");
  await new Promise((resolve) => setTimeout(resolve, 400));
  for (const id of ["b", "c", "d"]) await change(id);
  await flushJournal(lake, { journal, views: new Map() });
  await journal.trim("changes/", 4);
  await change("e");
  waits = false;
  gate.open!();
  for (let attempt = 0; live.state().degraded === undefined; attempt++) {
    expect(attempt).toBeLessThan(400);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(told).toMatchObject([{ code: "events/behind-retention" }]);
  await live.refresh();
  const position = await journal.head();
  await live.reached(position);
  expect(live.state()).toMatchObject({ snapshot: 1, position, liveResources: 1, degraded: undefined });
  await live.stop();
});

it("takes in a source that begins after the journal was trimmed of others", async () => {
  await change("a");
  await change("b");
  await flushJournal(lake, { journal, views: new Map() });
  await journal.trim("changes/", 2);
  await appendChanges(journal, [{ source: "later", id: "a", clock: 1, deletes: false }]);
  const live = await LiveLake.start({ lake, journal, database });
  const position = await journal.head();
  await live.reached(position);
  expect(live.state()).toMatchObject({ position, liveResources: 1, degraded: undefined });
  const { changes, snapshot } = await flushJournal(lake, { journal, views: new Map() });
  expect(changes).toEqual({ later: 1 });
  expect(snapshot?.sources["later"]?.journalPosition).toBe(position);
  await live.stop();
});
