import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { filesOf, Lake, type Snapshot, vacuum, verify } from "#lake";
import { generatePopulation } from "#synthetic";
import { cli, startCli } from "../support/cli.js";
import { lakeRows } from "../support/lake-rows.js";
import { seeded } from "../support/random.js";

function inputs(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^([A-Z].*|deleted)\.ndjson$/.test(name))
    .map((name) => path.join(folder, name));
}

/** The newest snapshot must be readable and whole at any time. */
async function check(location: string): Promise<Snapshot | undefined> {
  const lake = await Lake.open({ location });
  const head = await lake.history.latest();
  expect((await verify(lake)).damaged).toEqual([]);
  await lake.close();
  return head;
}

describe("kill -9 at any moment of an ingestion", () => {
  it("leaves the last snapshot readable; running again completes it, and vacuum leaves no orphan", async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), "fhir-lake-kill-"));
    const population = path.join(scratch, "population");
    const seed = Number(process.env["FHIR_LAKE_KILL_SEED"] ?? 20261121);
    const kills = Number(process.env["FHIR_LAKE_KILLS"] ?? 12);
    await generatePopulation({ patients: 25, seed: 5, outDir: population, updatesBatches: 2 });
    const nights = [population, path.join(population, "batch-001"), path.join(population, "batch-002")];

    const calm = path.join(scratch, "calm");
    for (const night of nights)
      expect((await cli(["ingest", "ndjson", ...inputs(night), "--lake", calm])).code).toBe(0);

    const random = seeded(seed);
    const stormy = path.join(scratch, "stormy");
    let killed = 0;
    for (const [i, night] of nights.entries()) {
      const target = Math.ceil((kills * (i + 1)) / nights.length);
      while (killed < target) {
        const { child, finished } = startCli(["ingest", "ndjson", ...inputs(night), "--lake", stormy]);
        const before = await check(stormy);
        const timer = setTimeout(() => child.kill("SIGKILL"), 150 + random() * 2500);
        const { code } = await finished;
        clearTimeout(timer);
        killed++;
        const after = await check(stormy);
        expect(after?.id ?? 0).toBeGreaterThanOrEqual(before?.id ?? 0);
        if (code !== null) expect(code).toBe(0);
      }
      expect((await cli(["ingest", "ndjson", ...inputs(night), "--lake", stormy])).code).toBe(0);
    }
    expect(await lakeRows(stormy)).toEqual(await lakeRows(calm));

    const lake = await Lake.open({ location: stormy });
    await vacuum(lake, { keepSnapshots: 1, graceMs: 0 });
    const needed = new Set(filesOf(await lake.head()).map((file) => file.key));
    for (const folder of ["resources/", "views/"]) {
      for await (const entry of lake.store.list(folder)) expect(needed).toContain(entry.key);
    }
    await lake.close();
    expect(readdirSync(path.join(stormy, "landing"))).toEqual([]);
    expect(readdirSync(path.join(stormy, "staging"))).toEqual([]);
  }, 300_000);
});
