import { appendFile, mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ingest, patient, patients } from "../../test/support/patients.js";
import { Lake } from "./lake.js";
import { compact } from "./operations/compact.js";
import { vacuum } from "./operations/vacuum.js";
import { verify } from "./operations/verify.js";

const open: Lake[] = [];

async function newLake(): Promise<Lake> {
  const lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-")) });
  open.push(lake);
  return lake;
}

afterEach(async () => {
  for (const lake of open.splice(0)) await lake.close();
});

describe("a lake", () => {
  it("keeps the newest version of each resource across commits, whatever the order of arrival", async () => {
    const lake = await newLake();
    await ingest(lake, [patient("a", 1), patient("b", 1), patient("a", 3, "male"), patient("a", 2, "other")]);
    await ingest(lake, [patient("b", 0, "unknown"), patient("c", 5)]);
    expect(await patients(lake)).toEqual([
      { id: "a", gender: "male" },
      { id: "b", gender: "female" },
      { id: "c", gender: "female" },
    ]);
    expect((await lake.head()).tables["Patient"]?.resourceCount).toBe(3);
  });

  it("makes no snapshot when nothing is new", async () => {
    const lake = await newLake();
    await ingest(lake, [patient("a", 1)]);
    expect(await ingest(lake, [patient("a", 1), patient("a", 0, "male")])).toBeUndefined();
    expect((await lake.head()).id).toBe(1);
  });

  it("hides deleted resources and does not let a late update bring them back", async () => {
    const lake = await newLake();
    await ingest(lake, [patient("a", 1), patient("b", 1)]);
    await ingest(lake, [{ deleted: "Patient/a", at: "2026-01-01T00:05:00Z" }]);
    await ingest(lake, [patient("a", 4, "male")]);
    expect(await patients(lake)).toEqual([{ id: "b", gender: "female" }]);
    await ingest(lake, [patient("a", 6, "male")]);
    expect(await patients(lake)).toHaveLength(2);
    expect((await lake.head()).tables["Patient"]?.resourceCount).toBe(2);
  });

  it("answers the same after every kind of compaction", async () => {
    const lake = await newLake();
    await ingest(
      lake,
      Array.from({ length: 50 }, (_, i) => patient(`p${i}`, 0)),
    );
    for (let i = 0; i < 12; i++) {
      await ingest(lake, [
        patient(`p${i}`, i + 1, "male"),
        patient(`p${i + 1}`, i + 1, "other"),
        patient(`n${i}`, 1),
      ]);
    }
    const before = await patients(lake);
    const made = await compact(lake);
    expect(made.length).toBeGreaterThan(0);
    expect(await patients(lake)).toEqual(before);
    await compact(lake, { full: true });
    expect((await lake.head()).tables["Patient"]?.layers).toHaveLength(1);
    expect(await patients(lake)).toEqual(before);
  });

  it("removes on vacuum what no kept snapshot needs, and nothing else", async () => {
    const lake = await newLake();
    for (let i = 0; i < 4; i++) await ingest(lake, [patient("a", i + 1, i % 2 === 0 ? "male" : "female")]);
    await compact(lake, { full: true });
    const report = await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
    expect(report).toMatchObject({ snapshotsRemoved: 4, filesRemoved: 4, oldestSnapshot: 5 });
    expect(await patients(lake)).toEqual([{ id: "a", gender: "female" }]);
    expect((await verify(lake)).damaged).toEqual([]);
    await expect(lake.history.at(1)).rejects.toMatchObject({
      code: "lake/snapshot-gone",
      details: { oldest: 5 },
    });
    await expect(lake.history.at(6)).rejects.toMatchObject({ code: "lake/no-such-snapshot" });
  });

  it("names the damaged file on verify and refuses to read one of the wrong size", async () => {
    const lake = await newLake();
    await ingest(lake, [patient("a", 1)]);
    const key = (await lake.head()).tables["Patient"]!.layers[0]!.files[0]!.key;
    await appendFile(path.join(lake.store.location, key), "x");
    expect((await verify(lake)).damaged).toEqual([{ key, problem: "size", snapshots: [1] }]);
    await expect(patients(lake)).rejects.toMatchObject({ code: "lake/damaged-file" });
  });

  it("leaves no staged files behind", async () => {
    const lake = await newLake();
    await ingest(lake, [patient("a", 1)]);
    await lake.close();
    open.length = 0;
    expect(await readdir(path.join(lake.store.location, "staging"))).toEqual([]);
  });
});
