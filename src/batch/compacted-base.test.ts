import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { loadDefinitions } from "#fhir";
import { compact, Lake, viewRows } from "#lake";
import { land, type Version } from "../../test/support/landing.js";
import { patient } from "../../test/support/patients.js";
import { buildViews } from "./build-views.js";
import { commitLanding } from "./commit-landing.js";
import { registerView } from "./view-registry.js";

const GENDERS = {
  resourceType: "ViewDefinition",
  name: "genders",
  resource: "Patient",
  status: "active",
  select: [
    {
      column: [
        { name: "id", path: "id", type: "id" },
        { name: "gender", path: "gender", type: "code" },
      ],
    },
  ],
};

it("merging small base layers keeps hiding the rows that a delta between them replaced", async () => {
  const location = await mkdtemp(path.join(tmpdir(), "fhir-lake-compact-"));
  const lake = await Lake.open({ location });
  const view = registerView(JSON.stringify(GENDERS), "genders.json", loadDefinitions("4.0.1"), true);
  const views = new Map([[view.name, view]]);
  const ingest = async (versions: readonly Version[]): Promise<void> => {
    const landing = await land(versions);
    await commitLanding(lake, { ...landing, views });
    await buildViews(lake, { views });
  };
  try {
    await ingest(Array.from({ length: 120 }, (_, i) => patient(`base${i}`, 1)));
    for (let i = 0; i < 5; i++) await ingest([patient(`new${i}`, 1)]);
    await ingest([patient("new2", 5, "male")]);
    for (let i = 5; i < 12; i++) await ingest([patient(`new${i}`, 1)]);
    expect(await compact(lake)).not.toEqual([]);
    const state = (await lake.head()).views["genders"]!;
    const rows = await lake.database.with(async (connection) =>
      connection.rows(`SELECT gender FROM ${await viewRows(lake, state)} WHERE id = 'new2'`),
    );
    expect(rows).toEqual([{ gender: "male" }]);
  } finally {
    await lake.close();
    await rm(location, { recursive: true, force: true });
  }
}, 60_000);
