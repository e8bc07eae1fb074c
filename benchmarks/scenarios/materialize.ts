import path from "node:path";
import { interleaved, ratios, repeated, runSide } from "../measure.js";
import { population, replicate } from "../population.js";
import type { Figure, Scenario } from "../scenario.js";

const VIEWS = (
  process.env["FHIR_LAKE_BENCH_VIEWS"] ?? "patient_demographics,condition_coding,blood_pressure"
).split(",");

/** Building views against hand-written SQL over the same files. */
export const materializeScenario: Scenario = {
  name: "materialize",
  about: "building three views from the lake, against hand-written SQL over the same files (outputs equal)",
  run: async ({ quick, scratch, log }) => {
    const made = await population(scratch, quick ? 250 : 600);
    const files = (["Patient", "Condition", "Observation"] as const).map((type, i) => {
      const file = made.find((name) => name.endsWith(`/${type}.ndjson`))!;
      const times = quick ? 1 : [200, 50, 5][i]!;
      return replicate(file, path.join(scratch, `${type}.ndjson`), times);
    });
    const lake = path.join(scratch, "lake");
    const landed = await runSide("land-and-commit", [lake, ...files]);
    log(`${String(landed.facts["rows"])} resources`);
    const figures: Figure[] = [];
    for (const view of VIEWS) {
      const out = path.join(scratch, `${view}.parquet`);
      const { ours, hand } = await interleaved(
        {
          ours: () => runSide("build-view", [lake, view]),
          hand: () => runSide("hand-view", [lake, view, out]),
        },
        { repeats: quick ? 1 : 7, warmUps: quick ? 0 : 1 },
      );
      const same = await runSide("same-rows", [lake, view, out]);
      if (same.facts["different"] !== 0) throw new Error(`${view}: the hand-written SQL gives other rows`);
      log(`${view}: ${String(same.facts["rows"])} rows, equal`);
      for (const of of ["wall", "cpu"] as const) {
        const quotients = ratios(
          ours.map((cost) => cost[of]),
          hand.map((cost) => cost[of]),
        );
        const bar = of === "wall" ? "<= 1.5" : undefined;
        figures.push(repeated(`${view}: ${of}, ours / hand-written`, "x", quotients, bar));
      }
      const walls = ours.map((cost) => cost.wall);
      figures.push(repeated(`${view}: wall, ours`, "s", walls));
    }
    return figures;
  },
};
