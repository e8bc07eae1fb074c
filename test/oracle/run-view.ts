import { LakeError } from "#kernel";
import {
  ExactNumber,
  type ExactObject,
  type ExactValue,
  type RunView,
} from "../../src/compiler/conformance/index.js";
import { evaluateView, type OracleCell } from "./evaluate.js";
import { parseLosslessJson } from "./json.js";

function exact(cell: OracleCell): ExactValue {
  if (cell === null || typeof cell !== "object") return cell;
  if (Array.isArray(cell)) return (cell as readonly OracleCell[]).map(exact);
  return new ExactNumber((cell as { digits: string }).digits);
}

/** The oracle behind the conformance runner's port, so that the runner's cases can be checked themselves. */
export const runViewInOracle: RunView = (view, resources) => {
  try {
    const parsed = resources.map((text) => parseLosslessJson(text) as Record<string, unknown>);
    const { columns, rows } = evaluateView(view, parsed);
    const exactRows = rows.map(
      (row): ExactObject =>
        Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, exact(cell)])),
    );
    return Promise.resolve({ columns, rows: exactRows });
  } catch (error) {
    return Promise.reject(
      new LakeError(
        "invalid-input",
        "oracle/wrong-view",
        error instanceof Error ? error.message : String(error),
      ),
    );
  }
};
