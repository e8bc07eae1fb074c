import type { Definitions } from "#fhir";
import type { Plan } from "#plan";
import type { SqlStatement, ViewSource } from "../source.js";
import { RelationWriter } from "./relation.js";

/**
 * The DuckDB statement of a plan over a source: `_lake_key` first, then the view's columns in order. Values are escaped in the text, so
 * there are no parameters and the text can stand in parentheses inside another statement.
 */
export function duckdbStatement(definitions: Definitions, plan: Plan, source: ViewSource): SqlStatement {
  return { text: new RelationWriter(definitions, source).write(plan), parameters: [] };
}
