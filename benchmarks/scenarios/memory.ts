import path from "node:path";
import { runSide } from "../measure.js";
import { population } from "../population.js";
import type { Figure, Scenario } from "../scenario.js";

/** Peak memory of a large ingestion with all shipped views. */
export const memoryScenario: Scenario = {
  name: "memory",
  about:
    "peak memory of ingesting and materializing a million resources, by default and with --memory-limit 512MB",
  run: async ({ quick, scratch, log }) => {
    const files = await population(scratch, quick ? 20 : 3000);
    const figures: Figure[] = [];
    for (const [label, limit, bar] of [
      ["default limit", 0, "<= 1500"],
      ["--memory-limit 512MB", 512e6, "<= 812"],
    ] as const) {
      const cost = await runSide("full-ingest", [
        path.join(scratch, `lake-${limit}`),
        String(limit),
        ...files,
      ]);
      log(`${label}: ${JSON.stringify(cost.facts)}`);
      figures.push({ name: `peak memory, ${label}`, value: cost.peakRss / 1e6, unit: "MB", bar });
      figures.push({ name: `wall, ${label}`, value: cost.wall, unit: "s" });
      figures.push({ name: `resources, ${label}`, value: Number(cost.facts["resources"]), unit: "" });
    }
    return figures;
  },
};
