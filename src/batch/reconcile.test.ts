import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Lake } from "#lake";
import { land } from "../../test/support/landing.js";
import { commitLanding } from "./commit-landing.js";
import { compareIds, type PresentIds } from "./reconcile.js";

const patient = (id: string, versionId = "1") => ({
  resource: { resourceType: "Patient", id, meta: { versionId, lastUpdated: "2026-01-01T00:00:00Z" } },
});
const types = ["Patient", "Group"];

describe("comparing ids", () => {
  let lake: Lake;
  let outputDir: string;
  beforeAll(async () => {
    outputDir = mkdtempSync(path.join(tmpdir(), "fhir-lake-ids-"));
    lake = await Lake.open({ location: path.join(outputDir, "lake") });
    const commit = async (versions: Parameters<typeof land>[0], source: string) =>
      commitLanding(lake, { ...(await land(versions, { source })), views: new Map() });
    await commit([patient("a", "7"), patient("b"), patient("c"), patient("d")], "one");
    await commit([patient("a"), patient("z")], "two");
    await commit([{ deleted: "Patient/d", at: "2026-02-01T00:00:00Z" }], "one");
  });
  afterAll(() => lake.close());

  function list(text: string): PresentIds {
    const file = path.join(outputDir, "ids.txt");
    writeFileSync(file, text);
    return { kind: "id-file", path: file };
  }
  const lines = (file: string): string[] =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "");

  it("lists what only one side has, tombstones and other sources left out", async () => {
    const present = list("Patient/b\nPatient/b\nPatient/d\nPatient/x\nGroup/a\nObservation/1\n");
    const found = await compareIds(lake, { source: "one", types, present, outputDir });
    expect(found.types).toEqual([
      { type: "Patient", live: 3, listed: 3, vanished: 2, unknown: 2 },
      { type: "Group", live: 0, listed: 1, vanished: 0, unknown: 1 },
    ]);
    expect(lines(found.vanishedFile).map((line) => line.split("\t")[0])).toEqual(["Patient/a", "Patient/c"]);
    expect(lines(found.vanishedFile)[0]).toMatch(/^Patient\/a\t[0-9a-f]{90}$/);
    expect(lines(found.unknownFile)).toEqual(["Group/a", "Patient/d", "Patient/x"]);
  });

  it("takes an empty list for a source that has nothing", async () => {
    const found = await compareIds(lake, { source: "one", types, present: list(""), outputDir });
    expect(found.types[0]).toEqual({ type: "Patient", live: 3, listed: 0, vanished: 3, unknown: 0 });
    expect(lines(found.unknownFile)).toEqual([]);
  });

  it("does not look at types that the list does not cover", async () => {
    const found = await compareIds(lake, { source: "one", types: ["Group"], present: list(""), outputDir });
    expect(found.types).toEqual([{ type: "Group", live: 0, listed: 0, vanished: 0, unknown: 0 }]);
    expect(lines(found.vanishedFile)).toEqual([]);
  });

  it("compares with a landing of everything, unless something of it was refused", async () => {
    const { landingDir, manifest } = await land([patient("a"), patient("c")], { source: "one" });
    const request = { source: "one", types, outputDir };
    const found = await compareIds(lake, { ...request, present: { kind: "landing", landingDir, manifest } });
    expect(lines(found.vanishedFile).map((line) => line.split("\t")[0])).toEqual(["Patient/b"]);
    const refused = { ...manifest, counts: { ...manifest.counts, quarantined: 1 } };
    await expect(
      compareIds(lake, { ...request, present: { kind: "landing", landingDir, manifest: refused } }),
    ).rejects.toMatchObject({ code: "batch/incomplete-list" });
  });
});
