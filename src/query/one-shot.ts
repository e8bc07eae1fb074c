import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type CompiledView,
  type CompileOptions,
  compileView,
  ExactNumber,
  type ExactObject,
  type ExactValue,
  ndjsonRelation,
  type RunView,
  type ViewColumn,
  type ViewResult,
  type ViewSource,
  viewDataError,
} from "#compiler";
import type { Connection, Database } from "#duckdb";
import { loadDefinitions } from "#fhir";
import { isLakeError } from "#kernel";
import { findBadLine } from "./bad-line.js";

const numericTypes = /^(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|FLOAT|DOUBLE|DECIMAL\(.*\))$/;

/** Whether a column's values are JSON numbers: every numeric SQL type, and FHIR decimals kept as text. */
function isNumeric(column: ViewColumn): boolean {
  const itemType = column.sqlType.replace(/\[\]$/, "");
  return numericTypes.test(itemType) || (column.fhirType === "decimal" && itemType === "VARCHAR");
}

function exactValue(value: unknown, numeric: boolean): ExactValue {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map((item) => exactValue(item, numeric));
  // A double's NaN and infinities are no JSON numbers; they stay text.
  if (numeric) return /^-?\d/.test(String(value)) ? new ExactNumber(String(value)) : String(value);
  return value as boolean | string;
}

function exactRow(columns: readonly ViewColumn[], row: Readonly<Record<string, unknown>>): ExactObject {
  const result: Record<string, ExactValue> = {};
  for (const column of columns) result[column.name] = exactValue(row[column.name], isNumeric(column));
  return result;
}

/** Where a one-shot run reads from. */
export interface OneShotInput {
  /** NDJSON files, plain or gzip; resources of other types in them are passed over. */
  readonly files: readonly string[];
  /** Name of the source that keys carry; without it keys are plain `Type/id`. */
  readonly source?: string;
}

/**
 * Runs a compiled view over any source. Rows hold exact values: numbers with their digits as written, null for nothing,
 * arrays for collections. Everything is held in memory.
 * Errors: `view/multiple-values` and other errors of the data in the view; `duckdb/…` for a source that cannot be read.
 */
export async function runViewOnSource(
  connection: Connection,
  view: CompiledView,
  source: ViewSource,
): Promise<ViewResult> {
  const { text, parameters } = view.sql(source);
  try {
    const rows = await connection.rows(text, parameters);
    return {
      columns: view.columns.map((column) => column.name),
      rows: rows.map((row) => exactRow(view.columns, row)),
    };
  } catch (error) {
    throw viewDataError(error) ?? error;
  }
}

/** Whether an error may come from a line that is no resource. */
function mayBeBadLine(error: unknown): boolean {
  return isLakeError(error) && (error.code === "view/bad-line" || error.code === "duckdb/query-failed");
}

/**
 * {@link runViewOnSource} over NDJSON files, without a lake.
 * Errors: also `view/bad-line` with file and line for a line that is no JSON object with a resourceType.
 */
export async function runViewOnFiles(
  connection: Connection,
  view: CompiledView,
  input: OneShotInput,
): Promise<ViewResult> {
  const source = ndjsonRelation({
    ...input,
    resourceType: view.resource,
    shape: view.requiredShape,
    definitions: loadDefinitions(view.fhirVersion),
  });
  try {
    return await runViewOnSource(connection, view, source);
  } catch (error) {
    throw (mayBeBadLine(error) ? await findBadLine(input.files) : undefined) ?? error;
  }
}

/**
 * A function that compiles a ViewDefinition and runs it over resources given as JSON text, each run on a connection of its
 * own. The resources pass through a short-lived file in the system's folder for temporary files.
 */
export function viewRunner(database: Database, options: CompileOptions = {}): RunView {
  return async (definition, resources) => {
    const view = compileView(definition, options);
    const folder = await mkdtemp(path.join(tmpdir(), "fhir-lake-view-"));
    try {
      const file = path.join(folder, "resources.ndjson");
      // Line breaks can only stand between tokens: inside a JSON string they would be escaped.
      const lines = resources.map((resource) => `${resource.replace(/[\r\n]+/g, " ")}\n`);
      await writeFile(file, lines.join(""));
      return await database.with((connection) => runViewOnFiles(connection, view, { files: [file] }));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
}
