import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ingest, patient, patients } from "../../../test/support/patients.js";
import { commit } from "../commit.js";
import { Lake } from "../lake.js";
import { planRestore, restoreSnapshot } from "./restore.js";

let lake: Lake;
beforeEach(async () => {
  lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-restore-")) });
});
afterEach(async () => {
  await lake.close();
  await rm(lake.store.location, { recursive: true, force: true });
});

const watermark = (instant: string): Promise<unknown> =>
  commit(lake, async () => ({
    operation: { kind: "build-views", views: [] },
    sources: { test: { policy: "time", watermarks: { Patient: instant } } },
  }));

describe("restoring an old snapshot", () => {
  it("makes its state the newest by a new commit and leaves the ones between readable", async () => {
    await ingest(lake, [patient("a", 1), patient("b", 1)]);
    await ingest(lake, [patient("a", 2, "male"), patient("c", 2)]);
    expect(await planRestore(lake, 1)).toMatchObject({
      head: 2,
      tables: { Patient: { now: 3, restored: 2 } },
    });
    const made = await restoreSnapshot(lake, 1);
    expect(made).toMatchObject({ id: 3, parent: 2, operation: { kind: "restore", snapshot: 1 } });
    expect(await patients(lake)).toEqual(await patients(lake, 1));
    expect(await patients(lake, 2)).toHaveLength(3);
    // A table of other content has a revision of its own.
    const revisions = [1, 2, 3].map(async (id) => (await lake.history.at(id)).tables["Patient"]!.revision);
    expect(new Set(await Promise.all(revisions)).size).toBe(3);
  });

  it("reads sources again from their watermark of then, and neither loses nor repeats what they send", async () => {
    await watermark("2026-01-01T00:00:00Z");
    await ingest(lake, [patient("a", 1)]);
    const old = (await lake.head()).id;
    await ingest(lake, [patient("a", 5, "male"), patient("b", 5)]);
    await watermark("2026-01-02T00:00:00Z");
    const landings = (await lake.head()).landings;
    await restoreSnapshot(lake, old);
    const head = await lake.head();
    expect(head.sources["test"]).toEqual((await lake.history.at(old)).sources["test"]);
    // Their numbers are never given out or applied again.
    expect(head.landings).toEqual(landings);
    // The source answers with everything since then; what is there already is unchanged.
    await ingest(lake, [patient("a", 1), patient("a", 5, "male"), patient("b", 5)]);
    expect(await patients(lake)).toEqual([
      { id: "a", gender: "male" },
      { id: "b", gender: "female" },
    ]);
  });

  it("does nothing for the newest snapshot and refuses one that is not there", async () => {
    await ingest(lake, [patient("a", 1)]);
    expect(await restoreSnapshot(lake, 1)).toBeUndefined();
    await expect(restoreSnapshot(lake, 7)).rejects.toMatchObject({ code: "lake/no-such-snapshot" });
  });

  it("drops a type that was not there then", async () => {
    await ingest(lake, [patient("a", 1)]);
    const condition = { resourceType: "Condition", id: "c", subject: { reference: "Patient/a" } };
    await ingest(lake, [{ resource: condition }], "Condition");
    await restoreSnapshot(lake, 1);
    expect(Object.keys((await lake.head()).tables)).toEqual(["Patient"]);
    await ingest(lake, [{ resource: condition }], "Condition");
    expect((await lake.head()).tables["Condition"]?.resourceCount).toBe(1);
  });
});
