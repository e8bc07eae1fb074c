import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { interleaved, ratios, repeated, runSide } from "../measure.js";
import { population } from "../population.js";
import type { Scenario } from "../scenario.js";

/** Check + land + commit against a bare COPY with the same columns. */
export const ingestScenario: Scenario = {
  name: "ingest",
  about: "check, land and commit NDJSON, against a bare DuckDB COPY that yields the same columns",
  run: async ({ quick, scratch, log }) => {
    const files = await population(scratch, quick ? 20 : 600);
    const lake = path.join(scratch, "lake");
    const out = path.join(scratch, "bare");
    const { ours, bare } = await interleaved(
      {
        ours: async () => {
          rmSync(lake, { recursive: true, force: true });
          return runSide("land-and-commit", [lake, ...files]);
        },
        // Reads the observed paths from the lake that the other side has left.
        bare: async (turn) => {
          rmSync(out, { recursive: true, force: true });
          if (!existsSync(lake)) await runSide("land-and-commit", [lake, ...files]);
          const cost = await runSide("bare-copy", [lake, out, ...files]);
          log(`pair ${turn}: bare ${cost.wall.toFixed(2)} s`);
          return cost;
        },
      },
      { repeats: quick ? 1 : 7, warmUps: quick ? 0 : 1 },
    );
    const rows = ours[0]!.facts["rows"];
    if (bare.some((cost) => cost.facts["rows"] !== rows))
      throw new Error("both sides must store the same rows");
    const walls = ours.map((cost) => cost.wall);
    const cpus = ours.map((cost) => cost.cpu);
    return [
      repeated(
        "wall, ours / bare COPY",
        "x",
        ratios(
          walls,
          bare.map((cost) => cost.wall),
        ),
        "<= 2",
      ),
      repeated(
        "CPU, ours / bare COPY",
        "x",
        ratios(
          cpus,
          bare.map((cost) => cost.cpu),
        ),
      ),
      repeated(
        "resources per second",
        "1/s",
        walls.map((wall) => Number(rows) / wall),
      ),
      { name: "lake size", value: Number(ours[0]!.facts["bytes"]) / 1e6, unit: "MB" },
      repeated(
        "peak memory, ours",
        "MB",
        ours.map((cost) => cost.peakRss / 1e6),
      ),
    ];
  },
};
