import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { registerView } from "#batch";
import { Database, quoteIdentifier } from "#duckdb";
import { type EventStore, openEventStore } from "#events";
import { Lake } from "#lake";
import { changeStream } from "#landing";
import { type LakeCatalog, lakeCatalog, mergedCatalog } from "#query";
import { LiveLake } from "#speed";
import { flushJournal } from "../../src/app/flush.js";
import { patientEvent } from "../../src/speed/live-store.contract.js";

const VIEW = JSON.stringify({
  resourceType: "ViewDefinition",
  name: "names",
  status: "active",
  resource: "Patient",
  select: [
    {
      column: [
        { name: "id", path: "id", type: "id" },
        // Data with two names breaks it.
        { name: "name", path: "name.text", type: "string" },
      ],
    },
  ],
});

let folder: string;
let lake: Lake;
let journal: EventStore;
let database: Database;
let live: LiveLake;
let catalog: LakeCatalog;
let clock = 1;

async function change(id: string, ...names: string[]): Promise<void> {
  const texts = names.map((text) => `{"text":"${text}"}`).join(",");
  const raw = `{"resourceType":"Patient","id":"${id}","name":[${texts}]}`;
  const event = patientEvent("main", id, { clock: ++clock, raw });
  await journal.append({ stream: changeStream("main"), events: [event], expected: "any" });
}

/** All rows now, as `id name`, in order. */
async function read(): Promise<string[]> {
  await live.reached(await journal.head());
  const reader = (await catalog.latest())!;
  try {
    const relation = await reader.views.get("names")!.relation();
    const rows = await database.with((connection) =>
      connection.rows<{ text: string }>(`SELECT id || ' ' || name AS text FROM ${relation} ORDER BY ALL`),
    );
    return rows.map(({ text }) => text);
  } finally {
    reader.release();
  }
}

/** Takes a live table away from the speed layer, until the answer is called. */
async function withhold(table: string): Promise<() => Promise<void>> {
  const rename = (from: string, to: string): Promise<void> =>
    database.with((connection) =>
      connection.run(`ALTER TABLE ${quoteIdentifier(from)} RENAME TO ${quoteIdentifier(to)}`),
    );
  await rename(table, "withheld");
  return () => rename("withheld", table);
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-settling-"));
  lake = await Lake.open({ location: path.join(folder, "lake") });
  journal = await openEventStore({ file: path.join(folder, "journal.sqlite") });
  database = await Database.open({ memoryLimitBytes: 2 ** 28, tempDirectory: folder });
  await change("first", "one");
  const views = new Map([["names", registerView(VIEW, "names", lake.definitions, true)]]);
  await flushJournal(lake, { journal, views });
  live = await LiveLake.start({ lake, journal, database, onError: () => undefined });
  catalog = mergedCatalog({ batch: lakeCatalog(lake), live, database });
});
afterEach(async () => {
  await live.stop();
  database.close();
  await journal.close();
  await lake.close();
  await rm(folder, { recursive: true, force: true });
});

it("gives every one of many readers at once all that was accepted before it asked", async () => {
  for (let round = 0; round < 30; round++) {
    await change(`p${round}`, "some");
    const [known, ...others] = await Promise.all(Array.from({ length: 5 }, read));
    expect(known).toHaveLength(round + 2);
    for (const other of others) expect(other).toEqual(known);
  }
});

it("fails a read whose changes cannot be put into the tables, and gives them once when they can", async () => {
  await change("a", "before");
  expect(await read()).toEqual(["a before", "first one"]);
  const giveBack = await withhold("live_versions_Patient");
  await change("a", "after");
  await change("b", "new");
  await expect(read()).rejects.toThrow("The engine refused or failed a statement");
  await giveBack();
  await change("b", "newer");
  expect(await read()).toEqual(["a after", "b newer", "first one"]);
});

it("gives rows once though putting changes into the tables failed after a view had been found broken", async () => {
  await change("a", "before");
  expect(await read()).toEqual(["a before", "first one"]);
  const giveBack = await withhold("live_versions_Patient");
  await change("a", "after");
  await change("broken", "two", "names");
  await change("b", "new");
  await expect(read()).rejects.toThrow("The engine refused or failed a statement");
  await giveBack();
  await expect(read()).rejects.toMatchObject({ code: "view/multiple-values" });
  await change("broken", "mended");
  expect(await read()).toEqual(["a after", "b new", "broken mended", "first one"]);
});

it("says that answers are not whole while changes cannot be put into the tables", async () => {
  await read();
  const giveBack = await withhold("live_versions_Patient");
  await change("a", "some");
  await expect.poll(() => live.state().degraded, { timeout: 10_000 }).toContain("live rows");
  await giveBack();
  await expect.poll(() => live.state().degraded, { timeout: 10_000 }).toBeUndefined();
  expect(await read()).toEqual(["a some", "first one"]);
});
