import { type Definitions, rootNode, type Shape } from "#fhir";
import { decimalsIn, quotedDecimals } from "./ndjson.js";
import { identifier, stringLiteral } from "./quote.js";
import { jsonStructure } from "./type-name.js";

/** Resource texts in a column, to be read as typed columns. */
export interface TextRelationOptions {
  /** SQL text to stand after FROM. */
  readonly relation: string;
  /** Name of the column with the resources' JSON text. */
  readonly textColumn: string;
  /** Columns of the relation to keep beside the typed ones. */
  readonly keep: readonly string[];
  readonly resourceType: string;
  /** A struct: what to read. */
  readonly shape: Shape & { readonly kind: "struct" };
  readonly definitions: Definitions;
}

/**
 * A SELECT that parses resource texts into the columns of a shape, decimals with their written digits; values of another JSON type than
 * the shape's are NULL.
 */
export function duckdbTextRelation(options: TextRelationOptions): string {
  const { relation, textColumn, keep, resourceType, shape, definitions } = options;
  const kept = keep.map(identifier);
  const fields = [...shape.fields.keys()].map((name) => `"#t".${identifier(name)}`);
  if (fields.length === 0) return `SELECT ${kept.join(", ")} FROM ${relation}`;
  const decimals = new Set<string>();
  decimalsIn(definitions, shape, rootNode(definitions, resourceType), decimals);
  const text = quotedDecimals(identifier(textColumn), [...decimals].sort());
  const structure = stringLiteral(JSON.stringify(jsonStructure(shape)));
  const parsed = `SELECT ${[...kept, `json_transform(${text}, ${structure}) AS "#t"`].join(", ")} FROM ${relation}`;
  return `SELECT ${[...kept, ...fields].join(", ")} FROM (${parsed})`;
}
