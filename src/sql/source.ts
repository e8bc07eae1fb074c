import type { Shape } from "#fhir";

/** Where the resources of a view come from. Names are column names, not SQL text. */
export interface ViewSource {
  /** SQL text to stand after FROM. */
  readonly relation: string;
  /** A struct: which top-level columns and nested fields the relation physically has. What a view needs beyond it is NULL. */
  readonly shape: Shape;
  /** Hidden resource key, copied to the output as its first column. */
  readonly keyColumn: string;
  /** The resource's id, text. */
  readonly idColumn: string;
  /** The source's name, text; '' for none. */
  readonly sourceColumn: string;
  /** The exact source text of the resource, when the relation has it. */
  readonly rawColumn?: string;
}

/** A statement and the values bound to it. */
export interface SqlStatement {
  readonly text: string;
  readonly parameters: readonly (string | number | boolean | null)[];
}

/** Name of the hidden resource key in every statement's output. */
export const KEY_OUTPUT = "_lake_key";
