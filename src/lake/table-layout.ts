import { createHash } from "node:crypto";
import { quoteIdentifier, quoteLiteral } from "#duckdb";
import {
  clinicalDatePaths,
  type Definitions,
  decimalNames,
  observedShape,
  type PathNode,
  patientReferencePath,
  rootNode,
  type Shape,
} from "#fhir";
import { jsonStructure, quotedDecimals } from "#sql";

/** Text field separator of landing records. */
const UNIT = "\u001f";

/** System columns of a resource table, in file order, with their DuckDB types. */
export const SYSTEM_COLUMNS = [
  ["_lake_key", "UUID"],
  ["_lake_source", "VARCHAR"],
  ["_lake_id", "VARCHAR"],
  ["_lake_version", "VARCHAR"],
  ["_lake_order", "VARCHAR"],
  ["_lake_last_updated", "TIMESTAMP WITH TIME ZONE"],
  ["_lake_deleted", "BOOLEAN"],
  ["_lake_accepted_at", "TIMESTAMP WITH TIME ZONE"],
  ["_lake_patient", "VARCHAR"],
] as const;

/** Rows per Parquet row group: small enough for pruning by patient and for bounded writer memory. */
export const ROW_GROUP_SIZE = 20_480;

type Struct = Shape & { readonly kind: "struct" };

/** The typed columns of a table: everything observed, without what the system columns already hold. */
export function tableShape(definitions: Definitions, type: string, observed: readonly string[]): Struct {
  const shape = observedShape(definitions, type, observed);
  const fields = new Map(shape.fields);
  fields.delete("resourceType");
  fields.delete("id");
  return { kind: "struct", fields };
}

/**
 * JSON property names whose decimals must be quoted before the engine parses these paths: those observed, or all that FHIR knows
 * as soon as something is kept as JSON, because anything may stand below it.
 */
function decimalsToQuote(
  definitions: Definitions,
  type: string,
  observed: readonly string[],
): readonly string[] {
  const names = new Set<string>();
  for (const path of observed) {
    let node: PathNode | undefined = rootNode(definitions, type);
    for (const name of path.split(".")) {
      node = node?.child(name);
      if (node?.json !== true) continue;
      for (const decimal of decimalNames(definitions)) names.add(decimal);
      break;
    }
    if (node?.decimal === true) names.add(node.name);
  }
  return [...names].sort();
}

/** Changes exactly when the column set of files written for this shape changes. */
export function shapeId(observed: readonly string[]): string {
  return createHash("sha256")
    .update([...observed].sort().join("\n"))
    .digest("hex")
    .slice(0, 16);
}

/** True when a value at this dotted path is stored inside a struct of the shape (not below a list or as JSON). */
function reachable(shape: Struct, names: readonly string[]): boolean {
  let at: Shape | undefined = shape;
  for (const name of names) {
    if (at === undefined || at.kind !== "struct") return false;
    at = at.fields.get(name);
  }
  return at !== undefined && at.kind === "scalar";
}

function structAccess(names: readonly string[]): string {
  return names.map(quoteIdentifier).join(".");
}

/** `Patient/<id>` of the resource's patient as SQL over the typed columns, NULL where it has none. */
function patientExpression(definitions: Definitions, type: string, shape: Struct): string {
  const path = patientReferencePath(definitions, type);
  if (path === undefined) return "NULL::VARCHAR";
  if (path === "id") return "'Patient/' || _lake_id";
  const names = [...path.split("."), "reference"];
  if (!reachable(shape, names)) return "NULL::VARCHAR";
  const id = `regexp_extract(${structAccess(names)}, '(?:^|/)Patient/([A-Za-z0-9.-]{1,64})(?:/_history/[^/]*)?$', 1)`;
  return `'Patient/' || nullif(${id}, '')`;
}

/** The main clinical date as text, for clustering only: partial dates and zones sort approximately. */
function dateExpression(definitions: Definitions, type: string, shape: Struct): string | undefined {
  const paths = clinicalDatePaths(definitions, type)
    .map((path) => path.split("."))
    .filter((names) => reachable(shape, names))
    .slice(0, 3)
    .map(structAccess);
  return paths.length === 0 ? undefined : `coalesce(${paths.join(", ")})`;
}

/** One landing file as a relation with the columns of its record format. */
export function landingRelation(
  files: readonly { readonly path: string; readonly maxRecordBytes: number }[],
): string {
  const largest = Math.max(1, ...files.map((file) => file.maxRecordBytes));
  // DuckDB allocates a multiple of the line limit per scan buffer, so the limit follows the data.
  const lineLimit = Math.max(1 << 20, largest + 16);
  const buffer = Math.max(8 << 20, lineLimit * 2);
  const columns = ["key", "kind", "id", "version", "last_updated", "order", "raw"]
    .map((name) => `${quoteLiteral(name)}: 'VARCHAR'`)
    .join(", ");
  const list = files.map((file) => quoteLiteral(file.path)).join(", ");
  return `read_csv([${list}], delim = ${quoteLiteral(UNIT)}, quote = '', escape = '', header = false, auto_detect = false, null_padding = false, strict_mode = true, nullstr = '\\N\\N', new_line = '\\n', max_line_size = ${lineLimit}, buffer_size = ${buffer}, columns = {${columns}})`;
}

/** What turns landing records into table rows. */
export interface RowsFromLanding {
  readonly definitions: Definitions;
  readonly type: string;
  readonly source: string;
  readonly acceptedAtMs: number;
  readonly observed: readonly string[];
  /** A relation with the columns of {@link landingRelation}. */
  readonly landing: string;
}

/** SELECT that gives table rows (system columns, typed columns, raw), sorted by patient and clinical date. */
export function rowsFromLanding(request: RowsFromLanding): string {
  const { definitions, type } = request;
  const shape = tableShape(definitions, type, request.observed);
  const typed = [...shape.fields.keys()];
  const names = decimalsToQuote(definitions, type, request.observed);
  const quoted = quotedDecimals("raw", names);
  const fields = typed.map((name) => `t.${quoteIdentifier(name)}`);
  // A tombstone has no text: json_transform of '{}' gives NULLs in every typed column.
  const transformed =
    typed.length === 0
      ? ""
      : `, json_transform(CASE WHEN raw = '' THEN '{}' ELSE ${quoted} END, ${quoteLiteral(JSON.stringify(jsonStructure(shape)))}) AS t`;
  const system = [
    '"key"::UUID AS _lake_key',
    `${quoteLiteral(request.source)} AS _lake_source`,
    "id AS _lake_id",
    "nullif(version, '') AS _lake_version",
    '"order" AS _lake_order',
    "try_cast(nullif(last_updated, '') AS TIMESTAMP WITH TIME ZONE) AS _lake_last_updated",
    "kind = 'D' AS _lake_deleted",
    `make_timestamptz(${request.acceptedAtMs}::BIGINT * 1000) AS _lake_accepted_at`,
  ].join(", ");
  const inner = `SELECT ${system}, nullif(raw, '') AS raw${transformed} FROM ${request.landing}`;
  const flat = `SELECT * EXCLUDE (raw${typed.length === 0 ? "" : ", t"})${fields.length === 0 ? "" : `, ${fields.join(", ")}`}, raw FROM (${inner})`;
  const columns = SYSTEM_COLUMNS.slice(0, -1).map(([name]) => name);
  const withPatient = `SELECT ${[...columns, `${patientExpression(definitions, type, shape)} AS _lake_patient`, ...typed.map(quoteIdentifier), "raw"].join(", ")} FROM (${flat})`;
  const date = dateExpression(definitions, type, shape);
  return `${withPatient} ORDER BY ${["_lake_patient", ...(date === undefined ? [] : [date]), "_lake_key"].join(", ")}`;
}
