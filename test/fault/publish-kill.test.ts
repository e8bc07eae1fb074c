import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { cleanPublished, defaultTarget, publishStatus } from "#delta";
import { Lake, type Snapshot } from "#lake";
import { generatePopulation } from "#synthetic";
import { cli, startCli } from "../support/cli.js";
import { deltaPython, differenceFromLake, NO_DIFFERENCE, readDelta } from "../support/delta-reader.js";
import { seeded } from "../support/random.js";

const python = deltaPython();

function inputs(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^(Patient|Condition|Encounter|deleted)\.ndjson$/.test(name))
    .map((name) => path.join(folder, name));
}

function publishedTables(location: string): string[] {
  const tables = ["resources", "views"].flatMap((kind) => {
    const folder = path.join(location, "published", kind);
    return readdirSync(folder).map((name) => `${kind}/${name}`);
  });
  return tables.filter((table) =>
    readdirSync(path.join(location, "published", table)).includes("_delta_log"),
  );
}

/** Every table must be exactly one snapshot's rows at any time, whichever a killed publisher reached. */
async function expectWhole(lake: Lake, snapshots: readonly Snapshot[]): Promise<void> {
  const tables = publishedTables(lake.store.location);
  const requests = tables.map((table) => ({
    table: path.join(lake.store.location, "published", table),
    engine: "deltalake" as const,
  }));
  for (const [i, read] of readDelta(python!, requests).entries()) {
    const differences = [];
    for (const snapshot of snapshots) {
      const difference = await differenceFromLake(lake, snapshot, tables[i]!, read.out);
      differences.push(difference);
      if (difference.rowsMissing + difference.rowsTooMany === 0) break;
    }
    expect([tables[i], differences.at(-1)]).toEqual([tables[i], NO_DIFFERENCE]);
  }
}

/** Every write of a publication as `label#k`, k counting how often the label was passed. */
function crashPoints(stderr: string): string[] {
  const passed = new Map<string, number>();
  return stderr.split("\n").flatMap((line) => {
    const label = /^crash-point (.+)$/.exec(line)?.[1];
    if (label === undefined) return [];
    passed.set(label, (passed.get(label) ?? 0) + 1);
    return [`${label}#${passed.get(label)}`];
  });
}

describe.skipIf(python === undefined)("kill -9 at any moment of a publication", () => {
  it("at its labelled write points leaves whole tables, and the next publication completes it", async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-publish-crash-"));
    const population = path.join(scratch, "population");
    const location = path.join(scratch, "lake");
    const random = seeded(Number(process.env["FHIR_LAKE_KILL_SEED"] ?? 20261121));
    const share = process.env["FHIR_LAKE_KILLS"] === undefined ? 0.1 : 1;
    await generatePopulation({ patients: 4, seed: 5, outDir: population, updatesBatches: 1 });
    const published = [
      "--lake",
      location,
      "--tables",
      "resources/Patient,views/patient_names,views/encounter",
    ];
    const ingest = async (folder: string): Promise<Snapshot> => {
      expect((await cli(["ingest", "ndjson", ...inputs(folder), "--lake", location])).code).toBe(0);
      const lake = await Lake.open({ location });
      const head = await lake.head();
      await lake.close();
      return head;
    };
    const before = await ingest(population);
    expect((await cli(["publish", ...published])).code).toBe(0);
    const head = await ingest(path.join(population, "batch-001"));
    const calm = path.join(scratch, "calm");
    cpSync(location, calm, { recursive: true });
    const traced = await cli(["publish", ...published], { env: { FHIR_LAKE_CRASH_AT: "trace" } });
    const points = crashPoints(traced.stderr).filter((point) => point.includes(".published."));
    expect(points.length).toBeGreaterThan(12);
    for (const point of points.filter(() => random() < share)) {
      rmSync(location, { recursive: true });
      cpSync(calm, location, { recursive: true });
      const crashed = await cli(["publish", ...published], { env: { FHIR_LAKE_CRASH_AT: point } });
      const lake = await Lake.open({ location });
      try {
        // Two tables are published at once, so a count may be reached in another order; death itself is by signal.
        expect([point, crashed.signal ?? crashed.code]).toEqual([point, expect.anything()]);
        await expectWhole(lake, [head, before]);
        expect((await cli(["publish", ...published])).code).toBe(0);
        await expectWhole(lake, [head]);
      } finally {
        await lake.close();
      }
    }
  }, 600_000);

  it("leaves every table at one snapshot's rows for a plain reader; the next publication completes it, and cleaning leaves no orphan", async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-publish-kill-"));
    const population = path.join(scratch, "population");
    const location = path.join(scratch, "lake");
    const random = seeded(Number(process.env["FHIR_LAKE_KILL_SEED"] ?? 20261121));
    const kills = Number(process.env["FHIR_LAKE_KILLS"] ?? 9);
    await generatePopulation({ patients: 12, seed: 5, outDir: population, updatesBatches: 2 });
    let before: Snapshot | undefined;
    for (const [night, folder] of ["", "batch-001", "batch-002"].entries()) {
      const ingested = await cli([
        "ingest",
        "ndjson",
        ...inputs(path.join(population, folder)),
        "--lake",
        location,
      ]);
      expect(ingested.code).toBe(0);
      const lake = await Lake.open({ location });
      const head = await lake.head();
      try {
        for (
          let kill = 0;
          kill < Math.ceil((kills * (night + 1)) / 3) - Math.ceil((kills * night) / 3);
          kill++
        ) {
          const { child, finished } = startCli(["publish", "--lake", location]);
          const timer = setTimeout(() => child.kill("SIGKILL"), 300 + random() * 1500);
          await finished;
          clearTimeout(timer);
        }
        if (before !== undefined) await expectWhole(lake, [head, before]);
        const completed = await cli(["publish", "--lake", location]);
        expect([completed.code, completed.stderr]).toEqual([0, expect.any(String)]);
        await expectWhole(lake, [head]);
        expect((await publishStatus(lake, defaultTarget(lake.store))).lagSnapshots).toBe(0);
      } finally {
        await lake.close();
      }
      before = head;
    }
    const lake = await Lake.open({ location });
    await cleanPublished(lake, defaultTarget(lake.store), { retentionMs: 0 });
    await expectWhole(lake, [await lake.head()]);
    const tables = publishedTables(location);
    const read = readDelta(
      python!,
      tables.map((table) => ({ table: path.join(location, "published", table), engine: "deltalake" })),
    );
    for (const [i, table] of tables.entries()) {
      const left = readdirSync(path.join(location, "published", table)).filter(
        (name) => name !== "_delta_log",
      );
      expect(left.length).toBe(read[i]!.files.length);
    }
    await lake.close();
  }, 300_000);
});
