import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { buildViews, commitLanding, type RegisteredView, registerView } from "#batch";
import { defaultTarget, publishDelta, publishStatus } from "#delta";
import { loadDefinitions } from "#fhir";
import { compact, Lake } from "#lake";
import { LocalStore } from "#storage";
import { publishUnleased } from "../../src/delta/publish-delta.js";
import {
  type DeltaEngine,
  deltaPython,
  differenceFromLake,
  NO_DIFFERENCE,
  readDelta,
} from "../support/delta-reader.js";
import { land, type Version } from "../support/landing.js";

const python = deltaPython();
const definitions = loadDefinitions("4.0.1");
const open: { lake: Lake; folder: string }[] = [];

afterEach(async () => {
  for (const { lake, folder } of open.splice(0)) {
    await lake.close();
    await rm(folder, { recursive: true, force: true });
  }
});

async function newLake(): Promise<Lake> {
  const folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-delta-"));
  const lake = await Lake.open({ location: path.join(folder, "lake") });
  open.push({ lake, folder });
  return lake;
}

function view(name: string, columns: readonly object[]): RegisteredView {
  const definition = {
    resourceType: "ViewDefinition",
    name,
    resource: "Patient",
    status: "active",
    select: [
      { column: [{ name: "key", path: "getResourceKey()", type: "string" }] },
      { forEachOrNull: "name", column: columns },
    ],
  };
  return registerView(JSON.stringify(definition), `${name}.json`, definitions, true);
}

const NAMES = view("names", [
  { name: "family", path: "family", type: "string" },
  { name: "given", path: "given", type: "string", collection: true },
]);
const WIDER = view("names", [
  { name: "family", path: "family", type: "string" },
  { name: "use", path: "use", type: "code" },
]);

async function ingest(
  lake: Lake,
  versions: readonly Version[],
  registered: readonly RegisteredView[] = [NAMES],
): Promise<void> {
  const { landingDir, manifest } = await land(versions);
  const views = new Map(registered.map((one) => [one.name, one]));
  await commitLanding(lake, { landingDir, manifest, views });
  await buildViews(lake, { views });
}

interface Extra {
  readonly nested?: boolean;
  readonly contained?: boolean;
}

/** A patient with a list of structs; `nested` puts an element into the list's items that others lack. */
const person = (i: number, minute: number, extra: Extra = {}): Version => ({
  resource: {
    resourceType: "Patient",
    id: `p${i}`,
    meta: { lastUpdated: new Date(Date.UTC(2026, 0, 1, 0, minute, 0, 123)).toISOString() },
    active: i % 2 === 0,
    birthDate: i % 3 === 0 ? "1970" : `19${50 + (i % 40)}-02-0${1 + (i % 9)}`,
    name: [
      { family: `Çelik-${i}-${minute}`, given: ["A", `é${i}`] },
      ...(extra.nested === true ? [{ family: "Other", period: { start: "2020" }, use: "old" }] : []),
    ],
    ...(extra.contained === true
      ? { contained: [{ resourceType: "Organization", id: "o", name: '"quoted"' }] }
      : {}),
  },
});

const people = (count: number, minute: number): Version[] =>
  Array.from({ length: count }, (_, i) => person(i, minute));

const TABLES = ["resources/Patient", "views/names"];
const ENGINES: readonly DeltaEngine[] = ["deltalake", "datafusion", "polars"];

/** Every reader must see exactly the newest snapshot's rows. */
async function expectPublished(lake: Lake, tables: readonly string[] = TABLES): Promise<number[]> {
  const head = await lake.head();
  const requests = ENGINES.flatMap((engine) =>
    tables.map((table) => ({ engine, table: path.join(lake.store.location, "published", table) })),
  );
  const read = readDelta(python!, requests);
  for (const [i, one] of read.entries()) {
    const table = tables[i % tables.length]!;
    const difference = await differenceFromLake(lake, head, table, one.out);
    expect({ engine: requests[i]!.engine, table, ...difference }).toEqual({
      engine: requests[i]!.engine,
      table,
      ...NO_DIFFERENCE,
    });
    expect([one.reader, one.writer]).toEqual([1, 2]);
  }
  return read.slice(0, tables.length).map((one) => one.version);
}

describe.skipIf(python === undefined)("independent Delta readers", () => {
  it("see the lake's rows after a full load, updates and deletes before compaction, and compaction", async () => {
    const lake = await newLake();
    await ingest(lake, people(40, 1));
    await publishDelta(lake);
    expect(await expectPublished(lake)).toEqual([0, 0]);

    await ingest(lake, [
      person(3, 5),
      person(7, 6),
      person(50, 6),
      { deleted: "Patient/p1", at: "2026-01-01T01:00:00Z" },
      { deleted: "Patient/never", at: "2026-01-01T01:00:00Z" },
    ]);
    await publishDelta(lake);
    expect(await expectPublished(lake)).toEqual([1, 1]);

    await ingest(lake, [person(3, 9), { deleted: "Patient/p50", at: "2026-01-01T02:00:00Z" }]);
    await ingest(lake, [person(60, 3)]);
    const report = await publishDelta(lake);
    expect(report.tables.map((table) => [table.name, table.version, table.rows])).toEqual([
      ["resources/Patient", 2, 40],
      ["views/names", 2, 40],
    ]);
    expect(await expectPublished(lake)).toEqual([2, 2]);

    await compact(lake, { full: true });
    await publishDelta(lake);
    expect(await expectPublished(lake)).toEqual([3, 3]);
  }, 120_000);

  it("see an increment that added a nested field inside a list, and JSON parts as text", async () => {
    const lake = await newLake();
    await ingest(lake, people(10, 1));
    await publishDelta(lake);
    await ingest(lake, [person(99, 2, { nested: true, contained: true })]);
    await publishDelta(lake);
    await expectPublished(lake);
    await ingest(lake, [person(4, 3, { contained: true })]);
    await publishDelta(lake);
    await expectPublished(lake);
    await compact(lake, { full: true });
    await publishDelta(lake);
    await expectPublished(lake);
  }, 120_000);

  it("see the columns of a view whose definition changed, and its old ones at the old version", async () => {
    const lake = await newLake();
    await ingest(lake, people(10, 1));
    const before = await lake.head();
    await publishDelta(lake);
    await ingest(lake, [person(11, 2, { nested: true })], [WIDER]);
    await publishDelta(lake);
    await expectPublished(lake);
    const [old] = readDelta(python!, [
      { table: path.join(lake.store.location, "published/views/names"), engine: "deltalake", version: 0 },
    ]);
    expect(await differenceFromLake(lake, before, "views/names", old!.out)).toEqual(NO_DIFFERENCE);
  }, 120_000);

  it("see one version per snapshot after publishers raced", async () => {
    const lake = await newLake();
    await ingest(lake, people(20, 1));
    const second = await Lake.open({ location: lake.store.location });
    try {
      for (let round = 0; round < 4; round++) {
        await Promise.all([
          publishUnleased(lake, {}),
          publishUnleased(second, {}),
          publishUnleased(lake, {}),
        ]);
        await ingest(lake, [person(round, 10 + round), person(100 + round, 1)]);
      }
      await Promise.all([publishDelta(lake, { waitMs: 20_000 }), publishDelta(second, { waitMs: 20_000 })]);
    } finally {
      await second.close();
    }
    expect(await expectPublished(lake)).toEqual([4, 4]);
    const status = await publishStatus(lake, defaultTarget(lake.store));
    expect(status.lagSnapshots).toBe(0);
  }, 120_000);

  it("start from a checkpoint and see many versions' outcome", async () => {
    const lake = await newLake();
    await ingest(lake, people(5, 1));
    for (let i = 0; i < 13; i++) {
      await ingest(lake, [person(i, 10 + i)]);
      await publishDelta(lake, { tables: ["resources"] });
    }
    const keys: string[] = [];
    for await (const { key } of lake.store.list("published/resources/Patient/_delta_log/")) {
      keys.push(key.split("/").at(-1)!);
    }
    expect(keys).toContain("00000000000000000010.checkpoint.parquet");
    expect(keys).toContain("_last_checkpoint");
    for (let version = 0; version < 10; version++) {
      await lake.store.delete(
        `published/resources/Patient/_delta_log/${String(version).padStart(20, "0")}.json`,
      );
    }
    expect(await expectPublished(lake, ["resources/Patient"])).toEqual([12]);
    await ingest(lake, [person(3, 50)]);
    await publishDelta(lake, { tables: ["resources"] });
    expect(await expectPublished(lake, ["resources/Patient"])).toEqual([13]);
  }, 120_000);

  it("see a table published to another folder", async () => {
    const lake = await newLake();
    await ingest(lake, people(5, 1));
    const elsewhere = path.join(open[0]!.folder, "elsewhere");
    await publishDelta(lake, { target: { store: new LocalStore(elsewhere), prefix: "" } });
    const [read] = readDelta(python!, [{ table: path.join(elsewhere, "views/names"), engine: "deltalake" }]);
    expect(await differenceFromLake(lake, await lake.head(), "views/names", read!.out)).toEqual(
      NO_DIFFERENCE,
    );
  }, 120_000);
});
