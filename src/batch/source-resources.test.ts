import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { Lake, liveCounts, sampleResources } from "#lake";
import { land } from "../../test/support/landing.js";
import { commitLanding } from "./commit-landing.js";

const patient = (id: string, versionId = "1") => ({
  resource: { resourceType: "Patient", id, meta: { versionId, lastUpdated: "2026-01-01T00:00:00Z" } },
});

it("counts and samples what is live, each source by itself", async () => {
  const lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-missing-")) });
  const commit = async (versions: Parameters<typeof land>[0], source: string) =>
    commitLanding(lake, { ...(await land(versions, { source })), views: new Map() });
  await commit([patient("a", "7"), patient("b"), patient("c"), patient("d")], "one");
  await commit([patient("a"), patient("z")], "two");
  await commit([{ deleted: "Patient/d", at: "2026-02-01T00:00:00Z" }], "one");

  expect(await liveCounts(lake, "one")).toEqual({ Patient: 3 });
  expect(await liveCounts(lake, "two")).toEqual({ Patient: 2 });
  const sample = await sampleResources(lake, { source: "one", type: "Patient", size: 2 });
  expect(sample).toHaveLength(2);
  for (const { id, raw } of sample) expect((JSON.parse(raw) as { id: string }).id).toBe(id);
  const drawn = (seed: string) => sampleResources(lake, { source: "one", type: "Patient", size: 1, seed });
  expect(await drawn("x")).toEqual(await drawn("x"));
  const seeds = await Promise.all(["a", "b", "c", "d", "e", "f", "g", "h"].map(drawn));
  expect(new Set(seeds.map(([one]) => one!.id)).size).toBeGreaterThan(1);
  await lake.close();
});
