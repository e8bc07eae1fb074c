import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defaultTarget, publishDelta, publishStatus } from "#delta";
import { compact, Lake } from "#lake";
import { openStore } from "#storage";
import { deltaPython, differenceFromLake, NO_DIFFERENCE, readDelta } from "../support/delta-reader.js";
import { ingest, patient } from "../support/patients.js";
import { motoPython, type S3Server, startS3Server } from "../support/s3-server.js";

const python = deltaPython();
const isPossible = python !== undefined && motoPython() !== undefined;
const TABLE = "resources/Patient";

describe.skipIf(!isPossible)("a lake in an object store", () => {
  let server: S3Server;
  const before = { ...process.env };

  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.environment());
  }, 60_000);

  afterAll(() => {
    server.stop();
    process.env = before;
  });

  async function expectRows(lake: Lake, root: string, version: number): Promise<void> {
    const [read] = readDelta(python!, [{ table: `${root}/${TABLE}`, engine: "deltalake" }], {
      AWS_ENDPOINT_URL: server.endpoint,
      AWS_ALLOW_HTTP: "true",
    });
    expect(read!.version).toBe(version);
    expect(await differenceFromLake(lake, await lake.head(), TABLE, read!.out)).toEqual(NO_DIFFERENCE);
  }

  it("publishes tables there that delta-rs reads there, also after updates, deletes and compaction", async () => {
    const location = `s3://${server.bucket}/lake`;
    const lake = await Lake.open({ location });
    try {
      await ingest(
        lake,
        Array.from({ length: 20 }, (_, i) => patient(`p${i}`, 1)),
      );
      await publishDelta(lake);
      await expectRows(lake, `${location}/published`, 0);
      await ingest(lake, [patient("p3", 5, "male"), { deleted: "Patient/p4", at: "2026-01-01T02:00:00Z" }]);
      await publishDelta(lake);
      await expectRows(lake, `${location}/published`, 1);
      await compact(lake, { full: true });
      await publishDelta(lake);
      await expectRows(lake, `${location}/published`, 2);
      for (let i = 0; i < 9; i++) {
        await ingest(lake, [patient(`n${i}`, 1)]);
        await publishDelta(lake);
      }
      await expectRows(lake, `${location}/published`, 11);
      expect((await publishStatus(lake, defaultTarget(lake.store))).lagSnapshots).toBe(0);
    } finally {
      await lake.close();
    }
  }, 120_000);

  it("can be the place for the tables of a lake in a folder", async () => {
    const lake = await Lake.open({ location: mkdtempSync(path.join(tmpdir(), "fhir-lake-delta-")) });
    const location = `s3://${server.bucket}/elsewhere`;
    const store = await openStore(location);
    try {
      await ingest(lake, [patient("a", 1), patient("b", 1)]);
      await publishDelta(lake, { target: { store, prefix: "" } });
      await ingest(lake, [patient("b", 2, "male")]);
      await publishDelta(lake, { target: { store, prefix: "" } });
      await expectRows(lake, location, 1);
    } finally {
      await store.close();
      await lake.close();
    }
  }, 120_000);
});
