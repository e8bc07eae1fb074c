import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { Lake } from "#lake";
import { land, type Version } from "../../test/support/landing.js";
import { buildViews } from "./build-views.js";
import { commitLanding } from "./commit-landing.js";
import { registerView } from "./view-registry.js";

const view = registerView(
  JSON.stringify({
    resourceType: "ViewDefinition",
    name: "one_given",
    resource: "Patient",
    status: "active",
    select: [{ column: [{ name: "given", path: "name.given", type: "string" }] }],
  }),
  "one_given.json",
  loadDefinitions("4.0.1"),
  true,
);
const views = new Map([[view.name, view]]);

const patient = (id: string, minute: number, given: string[]): Version => ({
  resource: {
    resourceType: "Patient",
    id,
    meta: { lastUpdated: `2026-01-01T00:0${minute}:00Z` },
    name: [{ given }],
  },
});

describe("a view whose rule the data breaks", () => {
  it("fails by itself, says why, does not stop the ingestion, and recovers when the data does", async () => {
    const lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-failed-")) });
    const ingest = async (versions: readonly Version[]): Promise<void> => {
      const { snapshot } = await commitLanding(lake, { ...(await land(versions)), views });
      expect(snapshot).toBeDefined();
      await buildViews(lake, { views });
    };
    const state = async () => (await lake.head()).views["one_given"]!;
    await ingest([patient("a", 1, ["Ana"])]);
    expect(await state()).toMatchObject({ state: "ready", rowCount: 1 });
    await ingest([patient("b", 1, ["Bo", "Cy"])]);
    expect(await state()).toMatchObject({ state: "failed", failure: { code: "view/multiple-values" } });
    expect(await buildViews(lake, { views })).toBeUndefined();
    await ingest([patient("b", 2, ["Bo"])]);
    expect(await state()).toMatchObject({ state: "ready", rowCount: 2 });
    expect((await state()).failure).toBeUndefined();
    await lake.close();
  });
});
