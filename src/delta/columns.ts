import type { Definitions } from "#fhir";
import { type TableState, tableShape, type ViewState } from "#lake";
import { type DeltaField, deltaTypeOfShape, deltaTypeOfSql } from "./delta-type.js";

/**
 * System columns of a resource table that are published. Left out: `_lake_key` (Delta has no 128-bit type; source and id name the
 * resource), `_lake_order` and `_lake_deleted` (only newest live versions are published).
 */
const SYSTEM_COLUMNS: readonly DeltaField[] = [
  ["_lake_source", "VARCHAR"],
  ["_lake_id", "VARCHAR"],
  ["_lake_version", "VARCHAR"],
  ["_lake_last_updated", "TIMESTAMP WITH TIME ZONE"],
  ["_lake_accepted_at", "TIMESTAMP WITH TIME ZONE"],
  ["_lake_patient", "VARCHAR"],
].map(([name, sqlType]) => ({ name: name!, type: deltaTypeOfSql(sqlType!) }));

/** Columns of `resources/<Type>`: published system columns, every path observed so far, and with `raw` the source text. */
export function resourceColumns(
  definitions: Definitions,
  type: string,
  table: TableState,
  raw: boolean,
): readonly DeltaField[] {
  const typed = [...tableShape(definitions, type, table.observed).fields].map(([name, shape]) => ({
    name,
    type: deltaTypeOfShape(shape),
  }));
  return [...SYSTEM_COLUMNS, ...typed, ...(raw ? [{ name: "raw", type: deltaTypeOfSql("VARCHAR") }] : [])];
}

/** Columns of `views/<name>`: those of the view, without the hidden resource key. */
export function viewColumns(view: ViewState): readonly DeltaField[] {
  return view.columns.map((column) => ({ name: column.name, type: deltaTypeOfSql(column.sqlType) }));
}
