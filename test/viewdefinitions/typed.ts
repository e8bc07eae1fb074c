import { ExactNumber, type ExactObject, type ExactValue } from "../../src/compiler/conformance/index.js";
import { columnsOf, tagOf, type ViewJson } from "./shipped.js";

/**
 * The rows with typed columns in one form: timestamps as moments in UTC, doubles as the shortest digits that name them. So the
 * text that FHIRPath gives and the value that a typed column holds can be compared.
 */
export function asTyped(view: ViewJson, rows: readonly ExactObject[]): ExactObject[] {
  const types = new Map(columnsOf(view).map((column) => [column.name, tagOf(column, "ansi/type")]));
  const typed = (name: string, value: ExactValue): ExactValue => {
    if (value === null) return null;
    if (types.get(name) === "DOUBLE" && value instanceof ExactNumber)
      return new ExactNumber(String(Number(value.text)));
    if (types.get(name)?.startsWith("TIMESTAMP") && typeof value === "string")
      return new Date(value).toISOString();
    return value;
  };
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typed(name, value)])),
  );
}
