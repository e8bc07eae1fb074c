import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, expect, it } from "vitest";
import { ingest, patient, patients, version } from "../../../test/support/patients.js";
import { seeded } from "../../../test/support/random.js";
import { Lake } from "../lake.js";
import { compact } from "./compact.js";
import { verify } from "./verify.js";

const open: Lake[] = [];

async function newLake(memoryLimitBytes?: number): Promise<Lake> {
  const location = await mkdtemp(path.join(tmpdir(), "fhir-lake-compact-"));
  const lake = await Lake.open({ location, ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }) });
  open.push(lake);
  return lake;
}

afterEach(async () => {
  for (const lake of open.splice(0)) {
    await lake.close();
    await rm(lake.store.location, { recursive: true, force: true });
  }
});

it("rewrites rows of many kilobytes in the memory that it has for those of one", async () => {
  const lake = await newLake(256 * 2 ** 20);
  const random = seeded(1);
  // A narrative that does not compress: what a row takes on the disk, it takes at least in memory.
  const narrative = (): string =>
    Array.from({ length: 1_500 }, () => random().toString(36).slice(2)).join("");
  for (let layer = 0; layer < 4; layer++) {
    const versions = Array.from({ length: 1_500 }, (_, i) => {
      const text = { status: "generated", div: narrative() };
      return version("Patient", `p${layer * 750 + i}`, layer, { gender: "other", text });
    });
    await ingest(lake, versions);
  }
  const before = await patients(lake);
  expect(before).toHaveLength(3_750);
  await compact(lake, { full: true });
  const table = (await lake.head()).tables["Patient"]!;
  expect(table.layers.map(({ level, rows }) => ({ level, rows }))).toEqual([{ level: 0, rows: 3_750 }]);
  expect(await patients(lake)).toEqual(before);
  expect((await verify(lake)).damaged).toEqual([]);
}, 60_000);

it("compacts everything else when a table cannot be, and says which", async () => {
  const lake = await newLake();
  for (let minute = 0; minute < 2; minute++) {
    await ingest(lake, [version("Basic", "b", minute)], "Basic");
    await ingest(lake, [patient("a", minute)]);
  }
  const { key } = (await lake.head()).tables["Basic"]!.layers[0]!.files[0]!;
  await appendFile(path.join(lake.store.location, key), "x");
  const failed = compact(lake, { full: true });
  await expect(failed).rejects.toThrow(/^resources\/Basic could not be compacted: /);
  await expect(failed).rejects.toMatchObject({
    code: "lake/damaged-file",
    details: { failed: ["resources/Basic"] },
  });
  const { Patient, Basic } = (await lake.head()).tables;
  expect([Patient!.layers.length, Basic!.layers.length]).toEqual([1, 2]);
});
