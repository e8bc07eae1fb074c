import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { Lake, liveCounts, missingResources, sampleResources } from "#lake";
import { land } from "../../test/support/landing.js";
import { commitLanding } from "./commit-landing.js";

const patient = (id: string, versionId = "1") => ({
  resource: { resourceType: "Patient", id, meta: { versionId, lastUpdated: "2026-01-01T00:00:00Z" } },
});

it("finds what a source has no more, counts and samples what is live, each source by itself", async () => {
  const lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-missing-")) });
  const commit = async (versions: Parameters<typeof land>[0], source: string) =>
    commitLanding(lake, { ...(await land(versions, { source })), views: new Map() });
  await commit([patient("a", "7"), patient("b"), patient("c"), patient("d")], "one");
  await commit([patient("a"), patient("z")], "two");
  await commit([{ deleted: "Patient/d", at: "2026-02-01T00:00:00Z" }], "one");

  const idFile = path.join(await mkdtemp(path.join(tmpdir(), "ids-")), "ids");
  await writeFile(idFile, "Patient/b\nPatient/x\nGroup/a\n");
  expect(await missingResources(lake, { source: "one", type: "Patient", present: { idFile } })).toEqual({
    live: 3,
    missing: [
      { id: "a", version: "7" },
      { id: "c", version: "1" },
    ],
  });
  await writeFile(idFile, "");
  const none = await missingResources(lake, { source: "one", type: "Patient", present: { idFile } });
  expect(none.missing.map((m) => m.id)).toEqual(["a", "b", "c"]);

  const again = await land([patient("a"), patient("c")], { source: "one" });
  const landing = again.manifest.files.map((file) => ({
    ...file,
    path: path.join(again.landingDir, file.path),
  }));
  const found = await missingResources(lake, { source: "one", type: "Patient", present: { landing } });
  expect(found.missing.map((m) => m.id)).toEqual(["b"]);
  expect(await missingResources(lake, { source: "one", type: "Group", present: { landing } })).toEqual({
    live: 0,
    missing: [],
  });

  expect(await liveCounts(lake, "one")).toEqual({ Patient: 3 });
  expect(await liveCounts(lake, "two")).toEqual({ Patient: 2 });
  const sample = await sampleResources(lake, { source: "one", type: "Patient", size: 2 });
  expect(sample).toHaveLength(2);
  for (const { id, raw } of sample) expect((JSON.parse(raw) as { id: string }).id).toBe(id);
  await lake.close();
});
