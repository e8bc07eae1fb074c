import { mkdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commitLanding } from "#batch";
import { compileView, type RunView, type ViewSource } from "#compiler";
import { Database } from "#duckdb";
import { landNdjson } from "#ingestion";
import { beginLanding, Lake, liveResources } from "#lake";
import { runViewOnSource } from "#query";
import { checkAgreement } from "./agreement.js";
import { Random } from "./random.js";
import { randomResource } from "./resources.js";
import { resourceTypes } from "./schema.js";
import { randomView } from "./views.js";

const lakes = Number(process.env["FHIR_LAKE_DIFF_LAKES"] ?? 3);
const viewsPerLake = 60;
const seed = Number(process.env["FHIR_LAKE_DIFF_SEED"] ?? 20_260_907);
const source = "here";

let scratch: string;
let database: Database;
beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), "fhir-lake-differential-"));
  database = await Database.open({ threads: 1 });
});
afterAll(async () => {
  database.close();
  await rm(scratch, { recursive: true });
});

/** Takes resources the whole way: checked, landed, committed. */
async function lakeOf(name: string, resources: readonly string[]): Promise<Lake> {
  const input = path.join(scratch, `${name}.ndjson`);
  await writeFile(input, resources.map((line) => `${line}\n`).join(""));
  const lake = await Lake.open({ location: path.join(scratch, name) });
  const place = await beginLanding(lake);
  mkdirSync(place.dir, { recursive: true });
  const manifest = await landNdjson({
    inputs: [input],
    source,
    policy: "time",
    landingDir: place.dir,
    sequence: place.sequence,
    acceptedAt: place.acceptedAt,
    definitions: lake.definitions,
    limits: { workers: 1 },
  });
  const { counts } = await commitLanding(lake, { landingDir: place.dir, manifest, views: new Map() });
  expect(counts.stored).toBe(resources.length);
  return lake;
}

/** Each table has only the columns that its few resources showed: every path a view reads beyond them must be empty. */
async function lakeRunner(lake: Lake): Promise<RunView> {
  const { tables } = await lake.head();
  const sources = new Map<string, ViewSource>();
  for (const [type, table] of Object.entries(tables)) {
    const resources = await liveResources(lake, type, table);
    sources.set(type, {
      ...resources,
      keyColumn: "_lake_key",
      idColumn: "_lake_id",
      sourceColumn: "_lake_source",
    });
  }
  return async (definition) => {
    const view = compileView(definition);
    return database.with((connection) => runViewOnSource(connection, view, sources.get(view.resource)!));
  };
}

const lakeSeeds = fc.sample(fc.nat(), { seed, numRuns: lakes });

test.each(lakeSeeds)(
  "views over a lake give what the oracle gives: resources of seed %i",
  { timeout: 300_000 },
  async (lakeSeed) => {
    const random = new Random(lakeSeed);
    const quirks = { primitiveExtension: 0.03, valueless: 0 };
    const byType = new Map(
      resourceTypes.map((type) => [type, random.list(2, 6, (i) => randomResource(random, type, i, quirks))]),
    );
    const lake = await lakeOf(`lake-${lakeSeed}`, [...byType.values()].flat());
    const runView = await lakeRunner(lake);
    const quarrels: string[] = [];
    let agreed = 0;
    for (let i = 0; i < viewsPerLake; i++) {
      const type = random.pick(resourceTypes);
      const pair = {
        view: randomView(random, type, 0),
        resources: byType.get(type)!,
        keyPrefix: `${source}/`,
      };
      const outcome = await checkAgreement(pair, runView, 3000);
      if (outcome.kind === "agree") agreed += 1;
      if (outcome.kind === "disagree") {
        quarrels.push(`${outcome.reason}\n${JSON.stringify(pair.view)}\n${pair.resources.join("\n")}`);
      }
    }
    await lake.close();
    expect(quarrels.join("\n\n")).toBe("");
    expect(agreed).toBeGreaterThan(viewsPerLake * 0.8);
  },
);
