import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { Lake, viewRows } from "#lake";
import { land } from "../../test/support/landing.js";
import { buildViews } from "./build-views.js";
import { commitLanding } from "./commit-landing.js";
import { type RegisteredView, registerView } from "./view-registry.js";

function genders(column: string): ReadonlyMap<string, RegisteredView> {
  const text = JSON.stringify({
    resourceType: "ViewDefinition",
    name: "genders",
    resource: "Patient",
    status: "active",
    select: [{ column: [{ name: column, path: "gender", type: "code" }] }],
  });
  return new Map([["genders", registerView(text, "genders.json", loadDefinitions("4.0.1"), true)]]);
}

describe("a view whose definition changed", () => {
  it("is rebuilt from the lake without its source, and older snapshots keep the older view", async () => {
    const lake = await Lake.open({ location: await mkdtemp(path.join(tmpdir(), "fhir-lake-changed-")) });
    const landing = await land([{ resource: { resourceType: "Patient", id: "a", gender: "male" } }]);
    await commitLanding(lake, { ...landing, views: genders("gender") });
    const first = await buildViews(lake, { views: genders("gender") });
    expect(await buildViews(lake, { views: genders("gender") })).toBeUndefined();
    const second = await buildViews(lake, { views: genders("sex") });
    const rows = async (id: number): Promise<unknown> => {
      const state = (await lake.history.at(id)).views["genders"]!;
      const relation = await viewRows(lake, state);
      return lake.database.with((c) => c.rows(`SELECT * EXCLUDE (_lake_key) FROM ${relation}`));
    };
    expect(await rows(first!.id)).toEqual([{ gender: "male" }]);
    expect(await rows(second!.id)).toEqual([{ sex: "male" }]);
    await lake.close();
  });
});
