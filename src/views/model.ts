import type { Ast, ConstantValue } from "#fhirpath";

/** A FHIRPath expression of a view: where it stands, its text and its tree. */
export interface PathExpression {
  readonly path: string;
  readonly text: string;
  readonly ast: Ast;
}

/** A tag of a column: `ansi/type` chooses the SQL type, others are carried for whoever reads them. */
export interface Tag {
  readonly name: string;
  readonly value: string;
}

/** One column of a view. */
export interface ColumnModel {
  readonly path: string;
  readonly name: string;
  readonly expression: PathExpression;
  readonly collection: boolean;
  /** FHIR type without its URL prefix, as declared. */
  readonly type: string | undefined;
  readonly description: string | undefined;
  readonly tags: readonly Tag[];
}

/** How a select makes rows: not at all, one per item, or one per node of a tree. */
export type Iteration =
  | { readonly kind: "none" }
  | { readonly kind: "forEach" | "forEachOrNull"; readonly expression: PathExpression }
  | { readonly kind: "repeat"; readonly expressions: readonly PathExpression[] };

/** One select. */
export interface SelectModel {
  readonly path: string;
  readonly iteration: Iteration;
  readonly columns: readonly ColumnModel[];
  readonly selects: readonly SelectModel[];
  /** Undefined when the select has no unionAll; an empty unionAll has no rows. */
  readonly unionAll: readonly SelectModel[] | undefined;
}

/** A ViewDefinition with its JSON checked and its expressions parsed. */
export interface ViewModel {
  readonly name: string | undefined;
  readonly resource: string;
  readonly fhirVersions: readonly string[];
  readonly constants: ReadonlyMap<string, ConstantValue>;
  readonly where: readonly PathExpression[];
  readonly selects: readonly SelectModel[];
}
