import path from "node:path";
import { runSide, spread } from "../measure.js";
import type { Figure } from "../scenario.js";

/** A view over NDJSON that FlatQuack is asked for, too. */
export interface FlatquackCase {
  readonly name: string;
  readonly viewFile: string;
  readonly input: string;
  /** CPU seconds of our runs, measured just before. */
  readonly ours: readonly number[];
}

/**
 * FlatQuack's CPU beside ours over the same file, on the engine that its folder has. Nothing for a view that it refuses, or for which
 * its rows are not ours: those are told in `log`.
 */
export async function besideFlatquack(
  folder: string,
  at: FlatquackCase,
  options: { readonly scratch: string; readonly repeats: number; readonly log: (text: string) => void },
): Promise<Figure[]> {
  const { name, viewFile, input, ours } = at;
  const rows = path.join(options.scratch, `${name}.parquet`);
  try {
    const first = await runSide("flatquack-rows", [folder, viewFile, input, rows]);
    const different = Number(first.facts["different"]);
    if (different !== 0) {
      options.log(`${name}: FlatQuack gives other rows (${different} differ), so its time is not compared`);
      return [];
    }
    const costs = [];
    for (let i = 0; i < options.repeats; i++)
      costs.push(await runSide("flatquack-rows", [folder, viewFile, input, ""]));
    const theirs = spread(costs.map((cost) => cost.cpu));
    const own = spread(ours);
    return [
      {
        name: `${name} over ndjson: CPU, FlatQuack`,
        value: theirs.median,
        min: theirs.min,
        max: theirs.max,
        unit: "s",
      },
      { name: `${name} over ndjson: CPU, FlatQuack / ours`, value: theirs.median / own.median, unit: "x" },
    ];
  } catch {
    options.log(`${name}: FlatQuack cannot run this view`);
    return [];
  }
}
