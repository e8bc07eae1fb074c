import { type Definitions, decimalNames, type Shape } from "#fhir";
import type { ViewSource } from "../source.js";
import { identifier, stringLiteral } from "./quote.js";
import { jsonStructure, typeName } from "./type-name.js";

/** One resource may be this large; DuckDB's own default of 16 MB is less than real Bundles need. */
const MAX_OBJECT_BYTES = 128 * 1024 * 1024;

/** Names of the decimals that a shape reads: only those need quoting before JSON is parsed. */
function decimalsIn(shape: Shape, decimals: ReadonlySet<string>, found: Set<string>): void {
  switch (shape.kind) {
    case "scalar":
      return;
    case "json":
      // Whatever is inside may be read later.
      for (const name of decimals) found.add(name);
      return;
    case "list":
      decimalsIn(shape.item, decimals, found);
      return;
    case "struct":
      for (const [name, field] of shape.fields) {
        if (decimals.has(name)) found.add(name);
        decimalsIn(field, decimals, found);
      }
  }
}

/**
 * JSON text with the numbers under the given property names quoted, so that their digits survive parsing. A name in quotes with a colon
 * behind it is always a property: inside a JSON string the quotes would be escaped.
 */
export function quotedDecimals(json: string, names: readonly string[]): string {
  if (names.length === 0) return json;
  const pattern = `"(${names.join("|")})"\\s*:\\s*(-?[0-9][-+.eE0-9]*)`;
  return `regexp_replace(${json}, ${stringLiteral(pattern)}, '"\\1":"\\2"', 'g')`;
}

interface Options {
  readonly files: readonly string[];
  readonly resourceType: string;
  readonly shape: Shape;
  readonly definitions: Definitions;
  readonly source?: string;
}

/** Properties to read, with those that every source needs. */
function withIdentity(shape: Shape): Map<string, Shape> {
  const fields = new Map(shape.kind === "struct" ? shape.fields : []);
  for (const name of ["id", "resourceType"]) fields.set(name, { kind: "scalar", type: "text" });
  return fields;
}

function typedRows(fileList: string, fields: ReadonlyMap<string, Shape>): string {
  const columns = [...fields].map(
    ([name, shape]) => `${stringLiteral(name)}: ${stringLiteral(typeName(shape))}`,
  );
  return (
    `SELECT * FROM read_json(${fileList}, format = 'newline_delimited', columns = {${columns.join(", ")}}, ` +
    `ignore_errors = TRUE, maximum_object_size = ${MAX_OBJECT_BYTES})`
  );
}

function quotedRows(fileList: string, fields: ReadonlyMap<string, Shape>, names: readonly string[]): string {
  const structure = stringLiteral(JSON.stringify(jsonStructure({ kind: "struct", fields })));
  return (
    `SELECT unnest(json_transform(${quotedDecimals('"json"', names)}, ${structure})) ` +
    `FROM read_ndjson_objects(${fileList}, maximum_object_size = ${MAX_OBJECT_BYTES})`
  );
}

/** A view source over NDJSON files; see `ndjsonRelation` in `#compiler`. */
export function duckdbNdjsonRelation({
  files,
  resourceType,
  shape,
  definitions,
  source = "",
}: Options): ViewSource {
  const fields = withIdentity(shape);
  const decimals = new Set<string>();
  decimalsIn(shape, new Set(decimalNames(definitions)), decimals);
  const fileList = `[${files.map(stringLiteral).join(", ")}]`;
  const rows =
    decimals.size === 0 ? typedRows(fileList, fields) : quotedRows(fileList, fields, [...decimals].sort());
  const type = stringLiteral(resourceType);
  const relation =
    `(SELECT ${type} || '/' || "id" AS "_lake_key", ${stringLiteral(source)} AS "_lake_source", * ` +
    `FROM (${rows}) WHERE ${identifier("resourceType")} = ${type})`;
  return {
    relation,
    shape: { kind: "struct", fields },
    keyColumn: "_lake_key",
    idColumn: "id",
    sourceColumn: "_lake_source",
  };
}
