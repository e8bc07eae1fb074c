import type { DataType } from "./data-type.js";
import type { Expr } from "./expression.js";

/**
 * A relational plan. Rows start as one per resource; every node keeps the columns of its input, and only those that something above
 * asks for are carried in SQL.
 */
export type Relation =
  /** One row per resource of the view's type. */
  | { readonly kind: "scan" }
  /** The rows that a `union` gives to each of its branches. */
  | { readonly kind: "shared"; readonly name: string; readonly of: Relation }
  /** The rows for which the predicate is true. */
  | { readonly kind: "filter"; readonly input: Relation; readonly predicate: Expr }
  /** Adds computed columns, evaluated once per row; they do not see each other. */
  | { readonly kind: "extend"; readonly input: Relation; readonly columns: readonly NamedExpr[] }
  /**
   * One row per item of `list`, in column `item`; `index` counts from 0. A row without items vanishes, unless `keepEmpty` is true for
   * it: then it stays once, with a NULL item and index 0.
   */
  | {
      readonly kind: "unnest";
      readonly input: Relation;
      readonly list: Expr;
      readonly item: string;
      readonly index?: string;
      readonly keepEmpty?: Expr;
    }
  /**
   * One row per node found from `start` by following `step` (an expression over column `item`) until nothing is left, in depth-first
   * pre-order as far as `index` shows it.
   */
  | {
      readonly kind: "repeat";
      readonly input: Relation;
      readonly start: Expr;
      readonly step: Expr;
      readonly item: string;
      readonly index?: string;
      readonly keepEmpty?: Expr;
    }
  /** The rows of all branches; each branch works on `shared` rows and adds the same column names with the same types. */
  | {
      readonly kind: "union";
      readonly input: Relation;
      readonly name: string;
      readonly branches: readonly UnionBranch[];
    };

/** One branch of a union: its rows and what it calls the union's columns. */
export interface UnionBranch {
  readonly relation: Relation;
  /** Their types are the same in every branch; a branch's expressions are brought to them. */
  readonly columns: readonly OutputColumn[];
}

/** A column name with the expression that computes it. */
export interface NamedExpr {
  readonly name: string;
  readonly expr: Expr;
}

/** A column with a type of its own: of the statement's result, or of a union. */
export interface OutputColumn extends NamedExpr {
  readonly type: DataType;
}

/** A whole plan: rows and what is made of them. The hidden resource key is always the first column of the result. */
export interface Plan {
  readonly resource: string;
  readonly relation: Relation;
  readonly columns: readonly OutputColumn[];
  /** Evaluated for every resource although no row may come of it, for the error that it can end in. */
  readonly check?: Expr;
}
