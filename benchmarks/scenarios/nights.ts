import { readdirSync } from "node:fs";
import path from "node:path";
import { generatePopulation } from "#synthetic";
import { runSide, spread } from "../measure.js";
import type { Scenario } from "../scenario.js";

/** Thirty nights of 1 % changes after a full load. */
export const nightsScenario: Scenario = {
  name: "nights",
  about: "30 nightly increments of about 1 % with views and compaction, against the full load",
  run: async ({ quick, scratch, log }) => {
    const outDir = path.join(scratch, "population");
    const nights = quick ? 3 : 30;
    await generatePopulation({ patients: quick ? 20 : 1500, seed: 11, outDir, updatesBatches: nights });
    const files = (dir: string): string[] =>
      readdirSync(dir)
        .filter((name) => /^([A-Z].*|deleted)\.ndjson$/.test(name))
        .map((name) => path.join(dir, name));
    const lake = path.join(scratch, "lake");
    const full = await runSide("full-ingest", [lake, "0", ...files(outDir)]);
    log(`full load ${full.wall.toFixed(2)} s ${JSON.stringify(full.facts)}`);
    const walls: number[] = [];
    for (let i = 1; i <= nights; i++) {
      const night = await runSide("full-ingest", [
        lake,
        "0",
        ...files(path.join(outDir, `batch-${String(i).padStart(3, "0")}`)),
      ]);
      log(
        `night ${i}: ${night.wall.toFixed(2)} s, stored ${String(night.facts["stored"])}, snapshot ${String(night.facts["snapshot"])}`,
      );
      walls.push(night.wall);
    }
    const all = spread(walls);
    const mean = walls.reduce((sum, wall) => sum + wall, 0) / walls.length;
    return [
      { name: "full load", value: full.wall, unit: "s" },
      {
        name: "a night, median",
        value: all.median,
        min: all.min,
        max: all.max,
        basis: `median of ${nights} nights`,
        unit: "s",
        bar: `<= ${(full.wall * 0.05 + 1).toFixed(2)}`,
      },
      {
        name: "a night, mean with compaction, share of the full load",
        value: mean / full.wall,
        unit: "",
        basis: `mean of ${nights} nights / one full load`,
        bar: "<= 0.10",
      },
    ];
  },
};
