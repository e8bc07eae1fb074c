import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { compact, Lake } from "#lake";
import { LocalStore } from "#storage";
import { ingest, patient } from "../../test/support/patients.js";
import { type Action, decodeActions } from "./action.js";
import { cleanPublished, dropPublished } from "./clean.js";
import { DeltaLog } from "./delta-log.js";
import { defaultTarget, publishDelta } from "./publish-delta.js";
import { publishedSnapshot, publishStatus } from "./status.js";

const TABLE = "resources/Patient";
const open: Lake[] = [];

afterEach(async () => {
  for (const lake of open.splice(0)) {
    await lake.close();
    await rm(lake.store.location, { recursive: true, force: true });
  }
});

async function newLake(clock = { now: () => new Date() }): Promise<Lake> {
  const location = await mkdtemp(path.join(tmpdir(), "fhir-lake-publish-"));
  const lake = await Lake.open({ location, clock });
  open.push(lake);
  return lake;
}

const some = (count: number, minute = 1) => Array.from({ length: count }, (_, i) => patient(`p${i}`, minute));

async function version(lake: Lake, number: number): Promise<Action[]> {
  const key = `published/${TABLE}/_delta_log/${String(number).padStart(20, "0")}.json`;
  return decodeActions(await lake.store.get(key));
}

async function dataFiles(lake: Lake): Promise<string[]> {
  const names: string[] = [];
  for await (const { key } of lake.store.list(`published/${TABLE}/`)) {
    if (!key.includes("_delta_log")) names.push(path.basename(key));
  }
  return names.sort();
}

async function currentFiles(lake: Lake): Promise<string[]> {
  const state = await new DeltaLog(lake.database, defaultTarget(lake.store), TABLE).read();
  return [...state.files.keys()].sort();
}

describe("publishing", () => {
  it("links the lake's files and writes only those anew whose rows were replaced", async () => {
    const lake = await newLake();
    await ingest(lake, some(10));
    await ingest(lake, [patient("other", 1)]);
    const first = (await publishDelta(lake)).tables[0]!;
    expect([first.outcome, first.filesAdded, first.filesLinked, first.bytesWritten]).toEqual([
      "created",
      2,
      2,
      0,
    ]);
    for (const name of await dataFiles(lake)) {
      expect((await stat(path.join(lake.store.location, "published", TABLE, name))).nlink).toBe(2);
    }
    await ingest(lake, [patient("p3", 5, "male")]);
    const second = (await publishDelta(lake)).tables[0]!;
    expect([second.outcome, second.rows, second.filesAdded, second.filesLinked, second.filesRemoved]).toEqual(
      ["updated", 11, 2, 1, 1],
    );
  });

  it("names the snapshot in each version, and marks versions that only rewrite files", async () => {
    const lake = await newLake();
    await ingest(lake, some(5));
    await publishDelta(lake);
    await ingest(lake, [patient("p1", 5, "male")]);
    await publishDelta(lake);
    await compact(lake, { full: true });
    await publishDelta(lake);
    const changes = [];
    for (const number of [0, 1, 2]) {
      const actions = await version(lake, number);
      const files = actions.flatMap((a) => a.add ?? a.remove ?? []);
      changes.push([
        actions.find((a) => a.txn)?.txn?.version,
        [...new Set(files.map((file) => file.dataChange))],
      ]);
    }
    expect(changes).toEqual([
      [1, [true]],
      [2, [true]],
      [3, [false]],
    ]);
    expect((await version(lake, 2))[0]?.commitInfo?.operation).toBe("OPTIMIZE");
  });

  it("makes no version when nothing of a table changed, and says that it is up to date", async () => {
    const lake = await newLake();
    await ingest(lake, some(2));
    await publishDelta(lake);
    await ingest(lake, [{ deleted: "Patient/never-there", at: "2026-01-01T01:00:00Z" }]);
    const target = defaultTarget(lake.store);
    expect((await publishStatus(lake, target)).lagSnapshots).toBe(1);
    const [table] = (await publishDelta(lake)).tables;
    expect([table?.outcome, table?.version, table?.rows]).toEqual(["unchanged", 0, 2]);
    expect((await publishedSnapshot(lake, target))?.snapshot).toBe(2);
  });

  it("adds and takes away the source text when asked to", async () => {
    const lake = await newLake();
    await ingest(lake, some(3));
    const columns = async (): Promise<string[]> => {
      const state = await new DeltaLog(lake.database, defaultTarget(lake.store), TABLE).read();
      const schema = JSON.parse(state.metaData!.schemaString) as { fields: { name: string }[] };
      return schema.fields.map((field) => field.name);
    };
    await publishDelta(lake);
    expect(await columns()).not.toContain("raw");
    await publishDelta(lake, { raw: true });
    expect(await columns()).toContain("raw");
    expect((await publishDelta(lake, { raw: true })).tables[0]?.outcome).toBe("unchanged");
    await publishDelta(lake);
    expect(await columns()).not.toContain("raw");
  });

  it("refuses unknown names, another lake's tables, and tables of snapshots that the lake lost", async () => {
    const lake = await newLake();
    await ingest(lake, some(2));
    await expect(publishDelta(lake, { tables: ["resources/Patien"] })).rejects.toMatchObject({
      code: "delta/unknown-table",
      message: expect.stringContaining("resources/Patient") as string,
    });
    const elsewhere = {
      store: new LocalStore(await mkdtemp(path.join(tmpdir(), "fhir-lake-to-"))),
      prefix: "",
    };
    await publishDelta(lake, { target: elsewhere });
    const other = await newLake();
    await ingest(other, some(1));
    await expect(publishDelta(other, { target: elsewhere })).rejects.toMatchObject({
      code: "delta/foreign-table",
    });
    await other.store.putIfAbsent("lake-id.json", Buffer.from("{}"));
    await ingest(lake, [patient("new", 3)]);
    await publishDelta(lake, { target: elsewhere });
    await lake.store.delete("snapshots/000000000002.json");
    const older = await Lake.open({ location: lake.store.location });
    open.push(older);
    await expect(publishDelta(older, { target: elsewhere })).rejects.toMatchObject({
      code: "delta/ahead-of-lake",
    });
  });

  it("keeps one publisher at a time, and a waiting one finds the work done", async () => {
    const lake = await newLake();
    await ingest(lake, some(5));
    const outcomes = await Promise.allSettled([publishDelta(lake), publishDelta(lake), publishDelta(lake)]);
    const held = outcomes.filter(
      (o) => o.status === "rejected" && (o.reason as { code: string }).code === "runs/lease-held",
    );
    expect(outcomes.filter((o) => o.status === "fulfilled").length + held.length).toBe(3);
    expect(held.length).toBeGreaterThan(0);
    expect((await publishDelta(lake, { waitMs: 10_000 })).tables[0]?.outcome).toBe("unchanged");
  });

  it("stops between tables when told to", async () => {
    const lake = await newLake();
    await ingest(lake, some(2));
    const abort = new AbortController();
    abort.abort();
    await expect(publishDelta(lake, { signal: abort.signal })).rejects.toMatchObject({
      code: "delta/interrupted",
    });
    expect((await publishDelta(lake)).tables[0]?.outcome).toBe("created");
  });
});

describe("cleaning published tables", () => {
  it("keeps files that left a table for the retention, and removes them and what dead publishers left afterwards", async () => {
    let now = Date.UTC(2026, 0, 10);
    const lake = await newLake({ now: () => new Date(now) });
    const target = defaultTarget(lake.store);
    await ingest(lake, some(5));
    await publishDelta(lake);
    now += 60_000;
    const orphan = `published/${TABLE}/${now}-00000000-0000-4000-8000-000000000000.parquet`;
    await lake.store.putIfAbsent(orphan, Buffer.from("unfinished"));
    await lake.store.putIfAbsent(`published/${TABLE}/notes.txt`, Buffer.from("somebody else's"));
    await ingest(lake, [patient("p1", 5, "male")]);
    now += 3_600_000;
    await publishDelta(lake);
    expect((await cleanPublished(lake, target, { retentionMs: 7_200_000 })).filesRemoved).toBe(0);
    now += 3_600_000;
    // The orphan was made two hours ago, the removed file left the table one hour ago.
    expect((await cleanPublished(lake, target, { retentionMs: 7_000_000, dryRun: true })).filesRemoved).toBe(
      1,
    );
    expect((await cleanPublished(lake, target, { retentionMs: 7_000_000 })).filesRemoved).toBe(1);
    now += 7_200_000;
    expect((await cleanPublished(lake, target, { retentionMs: 7_000_000 })).filesRemoved).toBe(1);
    expect(await dataFiles(lake)).toEqual([...(await currentFiles(lake)), "notes.txt"]);
  });

  it("drops log entries that an old checkpoint replaces, now and then by itself", async () => {
    const lake = await newLake();
    for (let i = 0; i < 12; i++) {
      await ingest(lake, [patient(`p${i % 3}`, i)]);
      await publishDelta(lake, { retentionMs: 0 });
    }
    const names: string[] = [];
    for await (const { key } of lake.store.list(`published/${TABLE}/_delta_log/`))
      names.push(path.basename(key));
    expect(names.sort()).toEqual([
      "00000000000000000010.checkpoint.parquet",
      "00000000000000000010.json",
      "00000000000000000011.json",
      "_last_checkpoint",
    ]);
    expect((await currentFiles(lake)).length).toBeLessThanOrEqual((await dataFiles(lake)).length);
    expect((await publishDelta(lake)).tables[0]?.outcome).toBe("unchanged");
  });

  it("removes whole tables with their logs, which the next publication makes anew", async () => {
    const lake = await newLake();
    await ingest(lake, some(5));
    await publishDelta(lake);
    await ingest(lake, [patient("p1", 5, "male")]);
    await publishDelta(lake);
    expect(await dropPublished(defaultTarget(lake.store))).toBe(1);
    const left: string[] = [];
    for await (const { key } of lake.store.list(`published/${TABLE}/`)) left.push(key);
    expect(left).toEqual([]);
    const [table] = (await publishDelta(lake)).tables;
    expect([table?.outcome, table?.version, table?.rows]).toEqual(["created", 0, 5]);
  });

  it("notices a log whose beginning is gone", async () => {
    const lake = await newLake();
    await ingest(lake, some(2));
    await publishDelta(lake);
    await ingest(lake, [patient("x", 5)]);
    await publishDelta(lake);
    await lake.store.delete(`published/${TABLE}/_delta_log/00000000000000000000.json`);
    await ingest(lake, [patient("y", 5)]);
    await expect(publishDelta(lake)).rejects.toMatchObject({ code: "delta/broken-log" });
  });
});
