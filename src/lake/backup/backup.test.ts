import { appendFile, mkdtemp, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LocalStore } from "#storage";
import { ingest, patient, patients } from "../../../test/support/patients.js";
import { Lake } from "../lake.js";
import { compact } from "../operations/compact.js";
import { vacuum } from "../operations/vacuum.js";
import { verify } from "../operations/verify.js";
import { pin, pins } from "../pins.js";
import { backUp } from "./back-up.js";
import { generations } from "./generation.js";
import { pruneBackups } from "./prune.js";
import { repairFromBackup } from "./repair.js";
import { restoreBackup } from "./restore-backup.js";

let scratch: string;
let lake: Lake;
let target: LocalStore;
const open: Lake[] = [];

async function openLake(name: string): Promise<Lake> {
  const opened = await Lake.open({ location: path.join(scratch, name) });
  open.push(opened);
  return opened;
}

beforeEach(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), "fhir-lake-backup-"));
  lake = await openLake("lake");
  target = new LocalStore(path.join(scratch, "backup"));
  for (let i = 0; i < 3; i++) await ingest(lake, [patient("a", i), patient(`b${i}`, i, "male")]);
});
afterEach(async () => {
  for (const opened of open.splice(0)) await opened.close();
  await rm(scratch, { recursive: true, force: true });
});

async function firstFile(): Promise<string> {
  return (await lake.head()).tables["Patient"]!.layers[0]!.files[0]!.key;
}

async function objectsOf(store: LocalStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list("objects/")) keys.push(key);
  return keys;
}

describe("a backup", () => {
  it("brings back every kept snapshot, pins and files beside the lake exactly", async () => {
    await pin(lake, { name: "paper", snapshot: 2 });
    const journal = path.join(scratch, "journal.sqlite");
    await writeFile(journal, "journal bytes");
    await backUp(lake, target, { extras: async () => [{ name: "journal", path: journal }] });
    const place = path.join(scratch, "back", "journal.sqlite");
    const report = await restoreBackup(target, new LocalStore(path.join(scratch, "restored")), {
      extraTo: () => place,
    });
    expect(report).toMatchObject({ snapshots: [1, 2, 3], extras: ["journal"], lost: [] });
    const restored = await openLake("restored");
    for (const id of [1, 2, 3]) expect(await patients(restored, id)).toEqual(await patients(lake, id));
    expect(await restored.head()).toEqual(await lake.head());
    expect((await pins(restored)).map((p) => [p.name, p.snapshot])).toEqual([["paper", 2]]);
    expect(await readFile(place, "utf8")).toBe("journal bytes");
    expect((await verify(restored)).damaged).toEqual([]);
    await ingest(restored, [patient("a", 9, "other")]);
    expect((await restored.head()).id).toBe(4);
  });

  it("copies only what the target lacks, and again what it holds in another state", async () => {
    const first = await backUp(lake, target);
    expect(first.copiedObjects).toBe(first.objects);
    expect(await backUp(lake, target)).toMatchObject({ generation: 2, copiedObjects: 0, copiedBytes: 0 });
    await ingest(lake, [patient("c", 5)]);
    // One data file and one manifest.
    expect(await backUp(lake, target)).toMatchObject({ generation: 3, copiedObjects: 2 });
    const [key] = await objectsOf(target);
    await appendFile(path.join(target.location, key!), "x");
    expect(await backUp(lake, target)).toMatchObject({ copiedObjects: 1 });
    await restoreBackup(target, new LocalStore(path.join(scratch, "restored")));
    expect(await patients(await openLake("restored"))).toEqual(await patients(lake));
  });

  it("reads again what an interrupted run left behind before it counts on it", async () => {
    const stop = new AbortController();
    const run = backUp(lake, target, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(run).rejects.toThrow();
    expect(await generations(target)).toEqual([]);
    const [key] = await objectsOf(target);
    if (key !== undefined) {
      const file = path.join(target.location, key);
      await writeFile(file, Buffer.alloc((await readFile(file)).length));
    }
    await backUp(lake, target);
    await restoreBackup(target, new LocalStore(path.join(scratch, "restored")));
    expect((await verify(await openLake("restored"))).damaged).toEqual([]);
  });

  it("is refused with the file's name when the lake itself is damaged", async () => {
    const key = await firstFile();
    await unlink(path.join(lake.store.location, key));
    await expect(backUp(lake, target)).rejects.toMatchObject({ code: "lake/damaged-file" });
    expect(await generations(target)).toEqual([]);
    expect(await pins(lake)).toEqual([]);
  });

  it("holds the snapshots it began with while others write, compact and vacuum", async () => {
    const writer = await openLake("lake");
    let minute = 10;
    const work: Promise<unknown>[] = [];
    const report = await backUp(lake, target, {
      onProgress: () => {
        const at = minute++;
        work.push(ingest(writer, [patient("a", at, "other"), patient(`w${at}`, at)]));
      },
    });
    await Promise.all(work);
    await compact(writer, { full: true });
    expect(report.snapshots).toEqual([1, 2, 3]);
    await restoreBackup(target, new LocalStore(path.join(scratch, "restored")));
    const restored = await openLake("restored");
    for (const id of [1, 2, 3]) expect(await patients(restored, id)).toEqual(await patients(lake, id));
    expect((await restored.head()).id).toBe(3);
    await expect(backUp(restored, target)).resolves.toMatchObject({ copiedObjects: 0 });
  });

  it("does not mix two lakes in one place", async () => {
    await backUp(lake, target);
    const other = await openLake("other");
    await ingest(other, [patient("x", 1)]);
    await expect(backUp(other, target)).rejects.toMatchObject({ code: "lake/other-history" });
  });

  it("can be thinned out without touching what newer ones need", async () => {
    await backUp(lake, target);
    await compact(lake, { full: true });
    await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
    await backUp(lake, target);
    const report = await pruneBackups(target, 1);
    expect(report.generationsRemoved).toEqual([1]);
    expect(report.objectsRemoved).toBeGreaterThan(0);
    await restoreBackup(target, new LocalStore(path.join(scratch, "restored")));
    expect(await patients(await openLake("restored"))).toEqual(await patients(lake));
  });
});

describe("a restore drill", () => {
  it("mends a missing data file, a damaged one and a missing manifest in place", async () => {
    await backUp(lake, target);
    const before = await patients(lake);
    const files = (await lake.head()).tables["Patient"]!.layers.flatMap((layer) => layer.files);
    await unlink(path.join(lake.store.location, files[0]!.key));
    await appendFile(path.join(lake.store.location, files[1]!.key), "x");
    await unlink(path.join(lake.store.location, "snapshots/000000000002.json"));
    const damaged = (await verify(lake)).damaged.map((d) => [d.key, d.problem]);
    expect(damaged).toContainEqual([files[0]!.key, "missing"]);
    expect(damaged).toContainEqual([files[1]!.key, "size"]);
    expect(damaged).toContainEqual(["snapshots/000000000002.json", "missing"]);
    const report = await repairFromBackup(target, lake.store);
    expect(report.lost).toEqual([]);
    expect([...report.mended].sort()).toEqual(
      [files[0]!.key, files[1]!.key, "snapshots/000000000002.json"].sort(),
    );
    expect((await verify(lake)).damaged).toEqual([]);
    expect(await patients(lake)).toEqual(before);
    expect((await repairFromBackup(target, lake.store)).mended).toEqual([]);
  });

  it("mends the newest manifest when it was lost or damaged, so that no commit is forgotten", async () => {
    await backUp(lake, target);
    const newest = path.join(lake.store.location, "snapshots/000000000003.json");
    await writeFile(newest, "{}");
    await repairFromBackup(target, lake.store);
    await unlink(newest);
    await repairFromBackup(target, lake.store);
    expect((await (await openLake("lake")).head()).id).toBe(3);
  });

  it("names what a damaged backup has lost, and restores the rest only when told to", async () => {
    await backUp(lake, target);
    const last = (await lake.head()).tables["Patient"]!.layers.at(-1)!.files[0]!.key;
    await unlink(path.join(target.location, "objects", last));
    const restored = new LocalStore(path.join(scratch, "restored"));
    await expect(restoreBackup(target, restored)).rejects.toMatchObject({
      code: "lake/damaged-backup",
      details: { lost: [last], snapshots: [3] },
    });
    await expect(openLake("restored")).rejects.toMatchObject({ code: "lake/restore-unfinished" });
    const report = await restoreBackup(target, restored, { acceptLoss: true });
    expect(report).toMatchObject({ lost: [last], lostSnapshots: [3], snapshots: [1, 2] });
    expect(await patients(await openLake("restored"))).toEqual(await patients(lake, 2));
  });

  it("goes into an empty place only", async () => {
    await backUp(lake, target);
    await expect(restoreBackup(target, lake.store)).rejects.toMatchObject({ code: "lake/not-empty" });
  });

  it("knows when there is no backup, or not that one", async () => {
    const nowhere = new LocalStore(path.join(scratch, "nowhere"));
    await expect(restoreBackup(nowhere, new LocalStore(path.join(scratch, "r")))).rejects.toMatchObject({
      code: "lake/no-such-backup",
    });
    await backUp(lake, target);
    await expect(
      restoreBackup(target, new LocalStore(path.join(scratch, "r")), { generation: 7 }),
    ).rejects.toMatchObject({ code: "lake/no-such-backup" });
  });
});
