import { readFileSync } from "node:fs";
import path from "node:path";
import { compileView } from "#compiler";
import { packageRoot } from "#kernel";
import { PATHLING_VIEWS } from "../pathling-views.js";
import type { ComparedColumn } from "./same-rows.js";

const SHIPPED = path.join(packageRoot(), "viewdefinitions");
const HAND_WRITTEN = path.join(packageRoot(), "benchmarks", "views", "sql");

/** Name of a view and of its hand-written SQL, and the definition: all of Pathling's benchmark, and two of those that are shipped. */
const VIEWS = [
  ...PATHLING_VIEWS,
  ["shipped_patient_demographics", path.join(SHIPPED, "patient", "patient_demographics.json")],
  ["shipped_condition_coding", path.join(SHIPPED, "condition", "condition_coding.json")],
] as const;

const NUMBERS = new Set(["decimal", "integer", "integer64", "positiveInt", "unsignedInt"]);

/** A view that engines are compared by. */
export interface ComparedView {
  readonly name: string;
  readonly file: string;
  /** File of the hand-written SQL over NDJSON that gives the same rows. */
  readonly handWritten: string;
  readonly resource: string;
  readonly columns: readonly ComparedColumn[];
}

/** The views that engines are compared by, compiled for what is to be known of their columns. */
export function comparedViews(): ComparedView[] {
  return VIEWS.map(([name, file]) => {
    const compiled = compileView(JSON.parse(readFileSync(file, "utf8")));
    const columns = compiled.columns.map((column) => ({
      name: column.name,
      isKey: /get(Resource|Reference)Key/.test(column.path),
      isNumber: NUMBERS.has(column.fhirType ?? ""),
    }));
    const handWritten = path.join(HAND_WRITTEN, `${name}.ndjson.sql`);
    return { name, file, handWritten, resource: compiled.resource, columns };
  });
}
