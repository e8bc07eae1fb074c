import path from "node:path";
import { runSide } from "../measure.js";
import type { Figure, Scenario } from "../scenario.js";

type Costs = Readonly<Record<"batchWall" | "batchCpu" | "wall" | "cpu", number>>;

/** What live changes cost a read. */
export const mergedReadScenario: Scenario = {
  name: "merged-read",
  about: "merged over plain snapshot reads of a view of a million rows, by number of live resources",
  run: async ({ quick, scratch, log }) => {
    const counts = quick ? [0, 100, 1_000] : [0, 1_000, 10_000, 100_000];
    const aimed = quick ? 1_000 : 10_000;
    const rows = quick ? 20_000 : 1_000_000;
    const repeats = quick ? 2 : 9;
    const args = [path.join(scratch, "wide"), rows, repeats, ...counts].map(String);
    const { facts, peakRss } = await runSide("merged-read", args);
    const figures: Figure[] = [{ name: "rows", value: rows, unit: "" }];
    for (const count of counts) {
      for (const [name, costs] of Object.entries(facts[count] as Record<string, Costs>)) {
        log(`${count} live, ${name}: ${JSON.stringify(costs)}`);
        const label = `${count} live, ${name}`;
        const bar = count === aimed ? { bar: "<= 1.5" } : {};
        figures.push(
          {
            name: `${label}, merged over batch, wall`,
            value: costs.wall / costs.batchWall,
            unit: "",
            ...bar,
          },
          { name: `${label}, merged over batch, CPU`, value: costs.cpu / costs.batchCpu, unit: "", ...bar },
          { name: `${label}, merged`, value: costs.wall * 1000, unit: "ms" },
        );
      }
    }
    return [...figures, { name: "peak memory", value: peakRss / 1e6, unit: "MB" }];
  },
};
