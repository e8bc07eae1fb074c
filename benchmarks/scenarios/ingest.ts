import { rmSync } from "node:fs";
import path from "node:path";
import { runSide, spread } from "../measure.js";
import { population } from "../population.js";
import type { Scenario } from "../scenario.js";

/** Check + land + commit against a bare COPY with the same columns. */
export const ingestScenario: Scenario = {
  name: "ingest",
  about: "check, land and commit NDJSON, against a bare DuckDB COPY that yields the same columns",
  run: async ({ quick, scratch, log }) => {
    const files = await population(scratch, quick ? 20 : 600);
    const ours: { wall: number; cpu: number; peakRss: number }[] = [];
    const bare: { wall: number; cpu: number }[] = [];
    let rows: unknown;
    let bytes = 0;
    for (let i = 0; i < (quick ? 1 : 5); i++) {
      const lake = path.join(scratch, "lake");
      const out = path.join(scratch, "bare");
      rmSync(lake, { recursive: true, force: true });
      rmSync(out, { recursive: true, force: true });
      const a = await runSide("land-and-commit", [lake, ...files]);
      const b = await runSide("bare-copy", [lake, out, ...files]);
      if (a.facts["rows"] !== b.facts["rows"]) throw new Error("both sides must store the same rows");
      rows = a.facts["rows"];
      bytes = a.facts["bytes"] as number;
      log(
        `ours ${a.wall.toFixed(2)} s (landed after ${String(a.facts["landed"])}), bare ${b.wall.toFixed(2)} s`,
      );
      ours.push(a);
      bare.push(b);
    }
    const ratio = (of: "wall" | "cpu"): ReturnType<typeof spread> =>
      spread(ours.map((a, i) => a[of] / bare[i]![of]));
    const wall = ratio("wall");
    const cpu = ratio("cpu");
    return [
      {
        name: "wall, ours / bare COPY",
        value: wall.median,
        min: wall.min,
        max: wall.max,
        unit: "x",
        bar: "<= 2",
      },
      { name: "CPU, ours / bare COPY", value: cpu.median, min: cpu.min, max: cpu.max, unit: "x" },
      {
        name: "resources per second",
        value: Number(rows) / spread(ours.map((a) => a.wall)).median,
        unit: "1/s",
      },
      { name: "lake size", value: bytes / 1e6, unit: "MB" },
      { name: "peak memory, ours", value: Math.max(...ours.map((a) => a.peakRss)) / 1e6, unit: "MB" },
    ];
  },
};
