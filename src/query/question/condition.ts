/** The operators that compare a column with one value. */
export const valueOperators = ["eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike"] as const;

/** One of these. */
export type ValueOperator = (typeof valueOperators)[number];

/**
 * A condition on the rows of a view, with the three-valued logic of SQL: a comparison with NULL is neither true nor false, so that `neq`
 * and `not` leave NULL out as well; only `is` finds it.
 */
export type Condition =
  | {
      readonly operator: ValueOperator;
      readonly column: string;
      /** The value as text; it must be a value of the column's type. In a `like` pattern `*` and `%` stand for any text, `_` for one character. */
      readonly value: string;
    }
  | { readonly operator: "in"; readonly column: string; readonly values: readonly string[] }
  | {
      /** Of a column of lists: `cs` holds all of the values, `ov` at least one of them. */
      readonly operator: "cs" | "ov";
      readonly column: string;
      readonly values: readonly string[];
    }
  | { readonly operator: "is"; readonly column: string; readonly value: "null" | "true" | "false" }
  | { readonly operator: "and" | "or"; readonly conditions: readonly Condition[] }
  | { readonly operator: "not"; readonly condition: Condition };

/** Every operator that stands between a column and a value. */
export const columnOperators = [...valueOperators, "in", "is", "cs", "ov"] as const;

/** One of these. */
export type ColumnOperator = (typeof columnOperators)[number];
