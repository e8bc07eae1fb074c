import { type Definitions, decimalNames, type PathNode, rootNode, type Shape } from "#fhir";
import type { ViewSource } from "../source.js";
import { failure } from "./failure.js";
import { numberLiteral, stringLiteral } from "./quote.js";
import { jsonStructure, typeName } from "./type-name.js";

/** One line may be this large unless the caller says otherwise. The reader sets aside several buffers of this size. */
const DEFAULT_LINE_BYTES = 16 * 1024 * 1024;

/** Names under which a shape reads decimals: only those need quoting before the JSON is parsed. */
export function decimalsIn(
  definitions: Definitions,
  shape: Shape,
  node: PathNode | undefined,
  found: Set<string>,
): void {
  switch (shape.kind) {
    case "scalar":
      if (node?.decimal === true) found.add(node.name);
      return;
    case "json":
      // Without better knowledge, whatever is inside may be read later.
      for (const name of shape.decimals ?? decimalNames(definitions)) found.add(name);
      return;
    case "list":
      decimalsIn(definitions, shape.item, node, found);
      return;
    case "struct":
      for (const [name, field] of shape.fields) {
        // A typed shape may go deeper than the layout of stored data, which turns into JSON there.
        const parent = node?.json === true ? rootNode(definitions, node.type) : node;
        const child = parent?.child(name);
        decimalsIn(definitions, field, child, found);
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
  const quoted = `regexp_replace(${json}, ${stringLiteral(pattern)}, '"\\1":"\\2"', 'g')`;
  const lists = names.filter((name) => DECIMAL_LISTS.has(name));
  return lists.length === 0 ? quoted : quotedLists(quoted, lists);
}

/** Names under which FHIR has lists of decimals: MolecularSequence.quality.roc in R4 and R4B, image regions in R5. */
export const DECIMAL_LISTS: ReadonlySet<string> = new Set([
  "coordinate",
  "fMeasure",
  "precision",
  "sensitivity",
]);

/**
 * JSON text with the numbers quoted that stand in arrays under the given names. The text is cut at those arrays, whose numbers are quoted
 * apart, so that nothing else that looks like a number in a list is touched.
 */
function quotedLists(json: string, names: readonly string[]): string {
  const array = stringLiteral(`"(?:${names.join("|")})"\\s*:\\s*\\[[-+.eE0-9,\\s]*\\]`);
  const number = stringLiteral("([\\[,]\\s*)(-?[0-9][-+.eE0-9]*)");
  const arrays = `list_transform(regexp_extract_all(j, ${array}), lambda a: regexp_replace(a, ${number}, '\\1"\\2"', 'g'))`;
  const pieces = `list_zip(string_split_regex(j, ${array}), ${arrays})`;
  const joined = `array_to_string(list_transform(${pieces}, lambda p: p[1] || coalesce(p[2], '')), '')`;
  return `list_extract(list_transform([CAST(${json} AS VARCHAR)], lambda j: ${joined}), 1)`;
}

interface Options {
  readonly files: readonly string[];
  readonly resourceType: string;
  readonly shape: Shape;
  readonly definitions: Definitions;
  readonly source?: string;
  readonly maxLineBytes?: number;
}

/** Properties to read, with those that every source needs. */
function withIdentity(shape: Shape): Map<string, Shape> {
  const fields = new Map(shape.kind === "struct" ? shape.fields : []);
  for (const name of ["id", "resourceType"]) fields.set(name, { kind: "scalar", type: "text" });
  return fields;
}

function typedRows(
  fileList: string,
  limit: string,
  fields: ReadonlyMap<string, Shape>,
  type: string,
): string {
  const columns = [...fields].map(
    ([name, shape]) => `${stringLiteral(name)}: ${stringLiteral(typeName(shape))}`,
  );
  // A value of another JSON type than FHIR demands is NULL; what is no resource at all comes as a row of NULLs, which must not vanish.
  const kept = `CASE WHEN "resourceType" IS NULL THEN ${failure("bad-line", "")} ELSE "resourceType" = ${type} END`;
  return (
    `SELECT * FROM read_json(${fileList}, format = 'newline_delimited', columns = {${columns.join(", ")}}, ` +
    `ignore_errors = TRUE${limit}) WHERE ${kept}`
  );
}

/** Decoding is put behind an unnest, because the engine would push a filter through a projection and decode every line twice. */
function quotedRows(
  fileList: string,
  limit: string,
  fields: ReadonlyMap<string, Shape>,
  type: string,
  names: readonly string[],
): string {
  const structure = stringLiteral(JSON.stringify(jsonStructure({ kind: "struct", fields })));
  const decoded = `json_transform(${quotedDecimals('"json"', names)}, ${structure})`;
  return (
    `SELECT unnest("#r") FROM (SELECT unnest([${decoded}]) AS "#r" FROM read_ndjson_objects(${fileList}${limit})) ` +
    `WHERE CASE WHEN struct_extract("#r", 'resourceType') IS NULL THEN ${failure("bad-line", "")} ELSE struct_extract("#r", 'resourceType') = ${type} END`
  );
}

/** A view source over NDJSON files; see `ndjsonRelation` in `#compiler`. */
export function duckdbNdjsonRelation(options: Options): ViewSource {
  const { files, resourceType, shape, definitions, source = "", maxLineBytes = DEFAULT_LINE_BYTES } = options;
  const fields = withIdentity(shape);
  const decimals = new Set<string>();
  decimalsIn(definitions, shape, rootNode(definitions, resourceType), decimals);
  const fileList = `[${files.map(stringLiteral).join(", ")}]`;
  const limit = `, maximum_object_size = ${numberLiteral(maxLineBytes)}`;
  const type = stringLiteral(resourceType);
  const rows =
    decimals.size === 0
      ? typedRows(fileList, limit, fields, type)
      : quotedRows(fileList, limit, fields, type, [...decimals].sort());
  const relation = `(SELECT ${type} || '/' || "id" AS "_lake_key", ${stringLiteral(source)} AS "_lake_source", * FROM (${rows}))`;
  return {
    relation,
    shape: { kind: "struct", fields },
    keyColumn: "_lake_key",
    idColumn: "id",
    sourceColumn: "_lake_source",
  };
}
