import path from "node:path";
import { type Cost, runSide } from "../measure.js";

/** A view over NDJSON that FlatQuack is asked for, too. */
export interface FlatquackCase {
  readonly name: string;
  readonly viewFile: string;
  readonly input: string;
}

/**
 * FlatQuack's evaluation of a view on the engine that its folder has, to be measured beside ours; or a sentence that says why it is not:
 * it refuses the view, or its rows are not ours. The evaluation fails when it gives other rows than when it was compared with ours.
 */
export async function flatquackSide(
  folder: string,
  { name, viewFile, input }: FlatquackCase,
  scratch: string,
): Promise<(() => Promise<Cost>) | string> {
  const rows = path.join(scratch, `${name}.parquet`);
  const { facts: compared } = await runSide("flatquack-rows", [folder, viewFile, input, rows]);
  if (compared["problem"] !== undefined)
    return `FlatQuack cannot run ${name}: ${String(compared["problem"])}`;
  const different = Number(compared["different"]);
  if (different !== 0)
    return `FlatQuack gives other rows for ${name} (${different} differ), so that its time is not compared.`;
  return async () => {
    const cost = await runSide("flatquack-rows", [folder, viewFile, input, ""]);
    if (cost.facts["rows"] === compared["rows"] && cost.facts["checksum"] === compared["checksum"])
      return cost;
    throw new Error(`${name}: FlatQuack gave other rows than before`);
  };
}
