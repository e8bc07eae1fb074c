import path from "node:path";
import { ratios, repeated, runSide } from "../measure.js";
import type { Figure, Scenario } from "../scenario.js";

/** Seconds of each turn. */
type Turns = readonly { readonly wall: number; readonly cpu: number }[];
type Costs = Readonly<Record<"batch" | "merged", Turns>>;

function costFigures(label: string, { batch, merged }: Costs, bar: string | undefined): Figure[] {
  const of = (turns: Turns, what: "wall" | "cpu") => turns.map((turn) => turn[what]);
  const over = (what: "wall" | "cpu") => ratios(of(merged, what), of(batch, what));
  const milliseconds = (turns: Turns) => of(turns, "wall").map((seconds) => seconds * 1000);
  return [
    repeated(`${label}, merged over batch, wall`, "", over("wall"), bar),
    repeated(`${label}, merged over batch, CPU`, "", over("cpu"), bar),
    repeated(`${label}, merged`, "ms", milliseconds(merged)),
    repeated(`${label}, batch`, "ms", milliseconds(batch)),
  ];
}

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
        const made = costFigures(`${count} live, ${name}`, costs, count === aimed ? "<= 1.5" : undefined);
        for (const { name: what, value, unit } of made) log(`${what}: ${value.toPrecision(3)} ${unit}`);
        figures.push(...made);
      }
    }
    return [...figures, { name: "peak memory", value: peakRss / 1e6, unit: "MB" }];
  },
};
