import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { type Cost, interleaved, ratios, repeated, runSide } from "../measure.js";
import { population } from "../population.js";
import type { Figure, Scenario } from "../scenario.js";

/** Wall and CPU of ours as multiples of another side. */
function besides(name: string, ours: readonly Cost[], theirs: readonly Cost[], bar?: string): Figure[] {
  return (["wall", "cpu"] as const).map((what) =>
    repeated(
      `${what === "cpu" ? "CPU" : "wall"}, ours / ${name}`,
      "x",
      ratios(
        ours.map((cost) => cost[what]),
        theirs.map((cost) => cost[what]),
      ),
      what === "wall" ? bar : undefined,
    ),
  );
}

/** Check + land + commit against DuckDB alone: our rows by one statement, and the file as it is. */
export const ingestScenario: Scenario = {
  name: "ingest",
  about:
    "check, land and commit NDJSON, against one DuckDB COPY of the same rows (our statement) and a bare one of the columns that DuckDB finds",
  run: async ({ quick, scratch, log }) => {
    const files = await population(scratch, quick ? 20 : 600);
    const lake = path.join(scratch, "lake");
    const [one, plain] = [path.join(scratch, "one"), path.join(scratch, "bare")];
    const { ours, same, bare } = await interleaved(
      {
        ours: async () => {
          rmSync(lake, { recursive: true, force: true });
          return runSide("land-and-commit", [lake, ...files]);
        },
        // Reads the observed paths from the lake that the first side has left.
        same: async () => {
          rmSync(one, { recursive: true, force: true });
          if (!existsSync(lake)) await runSide("land-and-commit", [lake, ...files]);
          return runSide("one-copy", [lake, one, ...files]);
        },
        bare: async (turn) => {
          rmSync(plain, { recursive: true, force: true });
          const cost = await runSide("bare-copy", [plain, ...files]);
          log(`turn ${turn}: bare ${cost.wall.toFixed(2)} s`);
          return cost;
        },
      },
      { repeats: quick ? 1 : 7, warmUps: quick ? 0 : 1 },
    );
    const rows = ours[0]!.facts["rows"];
    if ([...same, ...bare].some((cost) => cost.facts["rows"] !== rows))
      throw new Error("all sides must store as many rows");
    const rates = ours.map((cost) => Number(rows) / cost.wall);
    const peaks = (costs: readonly Cost[]): number[] => costs.map((cost) => cost.peakRss / 1e6);
    return [
      ...besides("one COPY of the same rows", ours, same, "<= 2"),
      ...besides("bare COPY", ours, bare, "<= 2"),
      repeated("resources per second", "1/s", rates),
      { name: "lake size", value: Number(ours[0]!.facts["bytes"]) / 1e6, unit: "MB" },
      repeated("peak memory, ours", "MB", peaks(ours)),
      repeated("peak memory, bare COPY", "MB", peaks(bare)),
    ];
  },
};
