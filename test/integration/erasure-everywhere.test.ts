import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publishDelta } from "#delta";
import { openEventStore } from "#events";
import { backUp, erase, Lake, parseResourceName, prepareErasure, pruneBackups, restoreBackup } from "#lake";
import { resourceKey } from "#landing";
import { LocalStore } from "#storage";
import { erasureHooks } from "../../src/app/erasure-hooks.js";
import { journalCopies, journalFile, journalPlace } from "../../src/app/journal-files.js";
import { canariesIn } from "../support/canary-scan.js";
import { ingest, patient, patients } from "../support/patients.js";

const CANARY = "zqx-canary-id";
const NOTE = "ZQX-CANARY-NOTE";
let scratch: string;
let lake: Lake;
const environment = {};

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), "fhir-lake-everywhere-"));
  lake = await Lake.open({ location: path.join(scratch, "lake") });
  await ingest(lake, [patient("ann", 1), patient(CANARY, 1)]);
  await publishDelta(lake, { raw: true });
  await ingest(lake, [patient("ann", 2, "male"), patient("bob", 2)]);
  await publishDelta(lake, { raw: true });
  const journal = await openEventStore({ file: journalFile(lake.store.location, environment)! });
  const event = (id: string, text: string) => ({
    type: "changed",
    data: { kind: "update" },
    payload: text,
    subject: resourceKey("test", "Patient", id),
  });
  await journal.append({
    stream: "changes/test",
    expected: "any",
    events: [event(CANARY, `${CANARY} ${NOTE}`), event("ann", "about ann")],
  });
  await journal.close();
}, 60_000);
afterAll(async () => {
  await lake.close();
  await rm(scratch, { recursive: true, force: true });
});

async function payloads(file: string): Promise<(string | undefined)[]> {
  const journal = await openEventStore({ file });
  const versions = (await journal.readAll(0, 100)).filter((event) => event.subject !== undefined);
  const found = versions.map((event) => event.payload);
  await journal.close();
  return found;
}

describe("an erasure with everything beside the lake", () => {
  it("reaches published tables and the journal, and a backup made afterwards", async () => {
    const target = new LocalStore(path.join(scratch, "backup"));
    const backup = async (): Promise<void> => {
      const copies = await journalCopies(lake, environment);
      await backUp(lake, target, { extras: copies.take });
      await copies.discard();
    };
    await backup();
    expect(
      (await canariesIn(lake, path.join(scratch, "lake", "published"), [CANARY])).length,
    ).toBeGreaterThan(0);
    const request = await prepareErasure(lake, {
      patients: [parseResourceName(`test/Patient/${CANARY}`)],
      resources: [],
      mentions: "keep",
      allowReturn: false,
    });
    // Rows in a form in which nobody can be found.
    await writeFile(path.join(await lake.store.workDirectory("jobs"), "result"), gzipSync(CANARY));
    const { hooks, close } = await erasureHooks(lake, environment, []);
    const report = await erase(lake, request, { hooks });
    await close();
    expect(report.hooks).toEqual({ journal: 1, jobs: 1, published: 1 });
    expect(await readdir(await lake.store.workDirectory("jobs"))).toEqual([]);
    expect(await canariesIn(lake, lake.store.location, [CANARY, NOTE])).toEqual([]);
    expect(await payloads(journalFile(lake.store.location, environment)!)).toEqual([undefined, "about ann"]);
    await publishDelta(lake);
    expect(await canariesIn(lake, lake.store.location, [CANARY, NOTE])).toEqual([]);

    await backup();
    await expect(
      restoreBackup(target, new LocalStore(path.join(scratch, "old")), { generation: 1 }),
    ).rejects.toMatchObject({ code: "lake/backup-before-erasure" });
    await pruneBackups(target, 1);
    expect(await canariesIn(lake, target.location, [CANARY, NOTE])).toEqual([]);
    const back = path.join(scratch, "back");
    await restoreBackup(target, new LocalStore(back), {
      extraTo: (name) => journalPlace(back, name, environment),
    });
    expect(await payloads(journalFile(back, environment)!)).toEqual([undefined, "about ann"]);
    const restored = await Lake.open({ location: back });
    expect(await patients(restored)).toEqual(await patients(lake));
    await ingest(restored, [patient(CANARY, 9), patient("cy", 9)]);
    expect((await patients(restored)).map((p) => p.id)).toEqual(["ann", "bob", "cy"]);
    await restored.close();
  }, 60_000);
});
