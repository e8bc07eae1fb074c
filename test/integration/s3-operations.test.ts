import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  backUp,
  compact,
  erase,
  Lake,
  parseResourceName,
  pin,
  prepareErasure,
  repairFromBackup,
  restoreBackup,
  vacuum,
  verify,
} from "#lake";
import { LocalStore, type ObjectStore, openStore } from "#storage";
import { canariesIn } from "../support/canary-scan.js";
import { ingest, patient, patients } from "../support/patients.js";
import { startFaultyS3 } from "../support/s3-faults.js";
import { motoPython, type S3Server, s3Environment, startS3Server } from "../support/s3-server.js";

const CANARY = "zqx-canary-id";

describe.skipIf(motoPython() === undefined)("operations of a lake on S3", () => {
  let server: S3Server;
  let bucket: string;
  let places = 0;
  const lakes: Lake[] = [];
  const stores: ObjectStore[] = [];

  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, s3Environment(server.endpoint));
    bucket = server.bucket;
  }, 60_000);
  afterEach(async () => {
    for (const lake of lakes.splice(0)) await lake.close();
    for (const store of stores.splice(0)) await store.close();
  });
  afterAll(() => server.stop());

  const place = (): string => `s3://${bucket}/operations-${process.pid}-${places++}`;
  const openLake = async (location: string): Promise<Lake> => {
    const lake = await Lake.open({ location });
    lakes.push(lake);
    return lake;
  };
  const store = async (location: string): Promise<ObjectStore> => {
    const opened = await openStore(location);
    stores.push(opened);
    return opened;
  };
  const folder = (): Promise<string> => mkdtemp(path.join(tmpdir(), "fhir-lake-s3-operations-"));

  it("backs up to another place there, incrementally, and restores to a folder and back", async () => {
    const lake = await openLake(place());
    for (let i = 0; i < 3; i++) await ingest(lake, [patient("a", i), patient(`b${i}`, i, "male")]);
    const target = await store(place());
    const first = await backUp(lake, target);
    expect(first.copiedObjects).toBe(first.objects);
    expect((await backUp(lake, target)).copiedObjects).toBe(0);
    const local = path.join(await folder(), "restored");
    await restoreBackup(target, new LocalStore(local));
    const restored = await openLake(local);
    for (const id of [1, 2, 3]) expect(await patients(restored, id)).toEqual(await patients(lake, id));
    const again = place();
    await restoreBackup(target, await store(again));
    expect(await patients(await openLake(again))).toEqual(await patients(lake));
  }, 60_000);

  it("mends a missing object in place", async () => {
    const lake = await openLake(place());
    await ingest(lake, [patient("a", 1)]);
    const target = new LocalStore(await folder());
    await backUp(lake, target);
    const key = (await lake.head()).tables["Patient"]!.layers[0]!.files[0]!.key;
    await lake.store.delete(key);
    expect((await verify(lake)).damaged).toMatchObject([{ key, problem: "missing" }]);
    expect((await repairFromBackup(target, lake.store)).mended).toEqual([key]);
    expect((await verify(lake)).damaged).toEqual([]);
  }, 60_000);

  it("keeps pins over a vacuum and leaves no byte of an erased person in any object", async () => {
    const lake = await openLake(place());
    await ingest(lake, [patient("ann", 1)]);
    await ingest(lake, [patient(CANARY, 2), patient("bob", 2)]);
    await ingest(lake, [patient("bob", 3, "male")]);
    await compact(lake, { full: true });
    await pin(lake, { name: "paper", snapshot: 1 });
    expect((await vacuum(lake, { keepSnapshots: 1, graceMs: 0 })).snapshots).toEqual([2, 3]);
    const request = await prepareErasure(lake, {
      patients: [parseResourceName(`test/Patient/${CANARY}`)],
      resources: [],
      mentions: "keep",
      allowReturn: false,
    });
    expect((await erase(lake, request)).snapshotsGone).toEqual([4]);
    expect(await lake.history.ids()).toEqual([1, 5]);
    expect((await patients(lake)).map((p) => p.id)).toEqual(["ann", "bob"]);
    const target = await folder();
    await backUp(lake, new LocalStore(target));
    expect(await canariesIn(lake, target, [CANARY])).toEqual([]);
    for (const prefix of ["resources/", "views/", "snapshots/", "removed/", "erasures/"]) {
      for await (const { key } of lake.store.list(prefix)) {
        expect(Buffer.from(await lake.store.get(key)).includes(CANARY)).toBe(false);
      }
    }
  }, 60_000);

  it("removes what is no longer needed with a request for many objects, not one for each", async () => {
    const proxy = await startFaultyS3(server.endpoint);
    process.env["FHIR_LAKE_S3_ENDPOINT"] = proxy.endpoint;
    try {
      const lake = await openLake(place());
      for (let i = 0; i < 6; i++) await ingest(lake, [patient("a", i)]);
      await compact(lake, { full: true });
      proxy.seen.length = 0;
      const report = await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
      expect(report.snapshotsRemoved).toBeGreaterThanOrEqual(6);
      expect(report.filesRemoved).toBeGreaterThanOrEqual(6);
      const several = proxy.seen.filter(({ method, query }) => method === "POST" && query.has("delete"));
      expect(several.length).toBeLessThanOrEqual(4);
      const single = proxy.seen.filter(({ method }) => method === "DELETE").map(({ key }) => key);
      expect(single.filter((key) => !key.includes("/removed/"))).toEqual([]);
      expect((await verify(lake)).damaged).toEqual([]);
    } finally {
      process.env["FHIR_LAKE_S3_ENDPOINT"] = server.endpoint;
      await proxy.stop();
    }
  }, 60_000);
});
