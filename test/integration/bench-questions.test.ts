import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadViews, shippedViewsDirectory } from "#batch";
import { Lake } from "#lake";
import { generatePopulation } from "#synthetic";
import { compareAnswers, isSame } from "../../src/app/bench/answer.js";
import { ask, compareSides, type Sides } from "../../src/app/bench/ask.js";
import { Asker } from "../../src/app/bench/asker.js";
import { FhirReads } from "../../src/app/bench/fhir-reads.js";
import { findScope } from "../../src/app/bench/find-scope.js";
import { LakeReads } from "../../src/app/bench/lake-reads.js";
import type { Scope } from "../../src/app/bench/question.js";
import { questions } from "../../src/app/bench/questions/index.js";
import { ingestNdjson } from "../../src/app/ingest.js";
import { type LakeServer, serveLake } from "../../src/app/serve.js";
import { type FhirServer, startFhirServer } from "../support/fhir-server/index.js";

const WINDOW = { from: "2023-01-01", to: "2024-12-31" };

let folder: string;
let lake: Lake;
let served: LakeServer;
let fhir: FhirServer;
const askers: Asker[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-bench-"));
  const outDir = path.join(folder, "population");
  await generatePopulation({ patients: 25, seed: 31, density: 0.3, outDir });
  const files = (await readdir(outDir))
    .filter((name) => name.endsWith(".ndjson"))
    .map((name) => path.join(outDir, name));
  lake = await Lake.open({ location: path.join(folder, "lake") });
  const views = await loadViews([shippedViewsDirectory()], lake.definitions);
  await ingestNdjson(lake, { inputs: files, source: "main", policy: "time", views });
  served = await serveLake(lake, { host: "127.0.0.1", port: 0, smallCell: 0, compaction: false });
  fhir = await startFhirServer({ load: files });
}, 120_000);

afterAll(async () => {
  for (const asker of askers) asker.close();
  await fhir.close();
  await served.close();
  await lake.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(mayStoreCohorts: boolean): Promise<{ sides: Sides; scope: Scope; lakeReads: LakeReads }> {
  const fhirAsker = new Asker({ name: "FHIR server", base: fhir.url });
  const lakeAsker = new Asker({ name: "lake", base: served.url });
  askers.push(fhirAsker, lakeAsker);
  const { source, scope } = await findScope(lakeAsker, undefined, WINDOW);
  const lakeReads = new LakeReads(lakeAsker, { source, parallel: 2, patientsPerRead: 7, mayStoreCohorts });
  const reads = new FhirReads(fhirAsker, { pageSize: 50, parallel: 2, patientsPerSearch: 5 });
  return { sides: { fhir: reads, lake: lakeReads }, scope, lakeReads };
}

describe("the questions of the benchmark", () => {
  it("have the same answers from a FHIR server and from the lake, none of them empty", async () => {
    const { sides, scope } = await open(false);
    for (const question of questions) {
      const { difference } = await compareSides(question, { sides, scope, repeats: 1 });
      expect(isSame(difference), `${question.name}: ${JSON.stringify(difference)}`).toBe(true);
      expect(difference.lakeRows, question.name).toBeGreaterThan(0);
    }
  });

  it("have the same answers from stored cohorts as from views, with fewer bytes, and the cohorts are gone afterwards", async () => {
    const { sides, scope, lakeReads } = await open(true);
    const plain = await open(false);
    for (const question of questions.filter(({ name }) => name.startsWith("cohort-"))) {
      const stored = await ask("lake", question, { sides, scope, turn: 0 });
      const viewed = await ask("lake", question, { sides: plain.sides, scope, turn: 0 });
      expect(isSame(compareAnswers(stored.rows, viewed.rows)), question.name).toBe(true);
    }
    const count = questions.find(({ name }) => name === "cohort-count")!;
    const again = await ask("lake", count, { sides, scope, turn: 0 });
    expect(again.requests).toBe(1);
    expect(again.rows[0]![0]).toBeGreaterThan(0);
    await lakeReads.removeCohorts();
    const { cohorts } = (await sides.lake.asker.get("cohorts")) as { cohorts: unknown[] };
    expect(cohorts).toEqual([]);
  });

  it("never replace a cohort of somebody else", async () => {
    const { sides } = await open(true);
    const mine = {
      title: "Mine",
      valueSets: { d: { codes: [{ system: "snomed", codes: ["1"] }] } },
      entry: { view: "condition", in: "d" },
    };
    await sides.lake.asker.send("PUT", "cohorts/bench-diabetes", mine);
    const count = questions.find(({ name }) => name === "cohort-count")!;
    const { scope } = await open(true);
    await expect(ask("lake", count, { sides, scope, turn: 0 })).rejects.toMatchObject({
      code: "bench/refused",
    });
    const kept = (await sides.lake.asker.get("cohorts/bench-diabetes")) as { title: string };
    expect(kept.title).toBe("Mine");
    await sides.lake.asker.send("DELETE", "cohorts/bench-diabetes");
  });

  it("differ as soon as the FHIR server has something that the lake has not", async () => {
    const { sides, scope } = await open(false);
    const table = questions.find(({ name }) => name === "demographics-table")!;
    fhir.store.put("Patient", "newcomer", '{"resourceType":"Patient","id":"newcomer","gender":"other"}');
    const { difference } = await compareSides(table, { sides, scope, repeats: 0 });
    expect(difference).toMatchObject({ onlyFhir: 1, onlyLake: 0 });
  });

  it("cannot be asked of a lake of several sources or of none without a word on which one", async () => {
    const lakeAsker = new Asker({ name: "lake", base: served.url });
    askers.push(lakeAsker);
    await expect(findScope(lakeAsker, "elsewhere", WINDOW)).rejects.toMatchObject({
      code: "bench/no-patients",
    });
  });
});
