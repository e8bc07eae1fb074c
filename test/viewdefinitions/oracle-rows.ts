import { ExactNumber, type ExactObject, type ExactValue } from "../../src/compiler/conformance/index.js";
import { evaluateView, type OracleCell } from "../oracle/evaluate.js";
import { parseLosslessJson } from "../oracle/json.js";

function exactCell(cell: OracleCell): ExactValue {
  if (Array.isArray(cell)) return cell.map(exactCell);
  if (cell !== null && typeof cell === "object" && "digits" in cell) return new ExactNumber(cell.digits);
  return cell as string | boolean | null;
}

/** The columns and rows that the independent evaluator gives for a view over resources as JSON text. */
export function oracleRows(
  view: unknown,
  resources: readonly string[],
): { columns: readonly string[]; rows: readonly ExactObject[] } {
  const parsed = resources.map((text) => parseLosslessJson(text) as Record<string, unknown>);
  const { columns, rows } = evaluateView(view, parsed);
  return {
    columns,
    rows: rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, exactCell(cell)])),
    ),
  };
}
