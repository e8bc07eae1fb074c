import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Lake, verify } from "#lake";
import { withLease } from "#runs";
import { compactInTurn } from "../../src/app/compact-in-turn.js";
import { cli } from "../support/cli.js";
import { ingest, patient, patients } from "../support/patients.js";

let lake: Lake;
beforeAll(async () => {
  lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-turns-")) });
});
afterAll(async () => {
  await lake.close();
  await rm(lake.store.location, { recursive: true, force: true });
});

let minute = 0;
async function layers(): Promise<void> {
  for (let i = 0; i < 3; i++, minute++) {
    await ingest(
      lake,
      Array.from({ length: 300 }, (_, n) => patient(`p${n}`, minute)),
    );
  }
}

describe("compaction by several processes", () => {
  it("rewrites each table once when two of them begin at the same time", async () => {
    await layers();
    const before = await patients(lake);
    const args = ["compact", "--full", "--lake", lake.store.location];
    const finished = await Promise.all([cli(args), cli(args), cli(args)]);
    expect(finished.map(({ code }) => code)).toEqual([0, 0, 0]);
    const all = finished.map(({ stdout, stderr }) => stdout + stderr).join("\n");
    expect(all.match(/compacting resources\/Patient/g)).toHaveLength(1);
    expect(all.match(/Nothing to compact/g)).toHaveLength(2);
    expect(await patients(lake)).toEqual(before);
    expect((await verify(lake)).damaged).toEqual([]);
  }, 60_000);

  it("is left to the process that is at it, and looked at again afterwards", async () => {
    await layers();
    const { store, clock } = lake;
    await withLease({ store, clock, name: "compact", purpose: "a test", waitMs: 0 }, async () => {
      expect(await compactInTurn(lake, { full: true })).toBeUndefined();
      await expect(compactInTurn(lake, { full: true, waitMs: 1 })).rejects.toMatchObject({
        code: "runs/lease-held",
      });
    });
    expect(await compactInTurn(lake, { full: true })).toHaveLength(1);
    expect(await compactInTurn(lake, { full: true })).toEqual([]);
  }, 60_000);
});
