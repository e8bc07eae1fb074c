import type { Collection, Environment } from "#fhirpath";
import type { Expr, Relation } from "#plan";
import type { PathExpression } from "./model.js";

/** Where a select is evaluated: the rows so far and what a path sees there. */
export interface Place {
  readonly relation: Relation;
  readonly focus: Collection;
  readonly rowIndex: Expr;
  /** Under forEachOrNull: true for rows that have a focus; the one row without it keeps NULL in every column below. */
  readonly present?: Expr;
}

/** What the lowering of one construct may ask of the lowering of the whole view. */
export interface PathLowering {
  readonly environment: Environment;
  /** The items of a path at a place; its warnings are noted. */
  path(expression: PathExpression, place: Place): Collection;
  /** A place without rows, or with the one row of forEachOrNull. */
  nothing(outer: Place, orNull: boolean): Place;
}
