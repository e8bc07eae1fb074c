import { BIGINT, BOOLEAN, type DataType, INTEGER, TEXT } from "./data-type.js";
import type { Expr, Operation } from "./expression.js";

/** A text literal. */
export function text(value: string): Expr {
  return { kind: "literal", value, type: TEXT };
}

/** A whole number: 32 bits, or 64 when it does not fit (exact up to 2^53). */
export function integer(value: number): Expr {
  return { kind: "literal", value, type: Math.abs(value) < 2 ** 31 ? INTEGER : BIGINT };
}

/** A truth value. */
export function boolean(value: boolean): Expr {
  return { kind: "literal", value, type: BOOLEAN };
}

/** NULL of a type. */
export function nullOf(type: DataType): Expr {
  return { kind: "null", type };
}

/** An operation applied to arguments. */
export function call(operation: Operation, ...args: readonly Expr[]): Expr {
  return { kind: "call", operation, args };
}

/** A conversion to a type; NULL when the value has no such form. */
export function cast(value: Expr, type: DataType): Expr {
  return { kind: "call", operation: "cast", args: [value], type };
}

/** `when` true: `then`, else `otherwise` (NULL when left out). */
export function choose(when: Expr, then: Expr, otherwise?: Expr): Expr {
  return { kind: "case", when: [[when, then]], ...(otherwise === undefined ? {} : { otherwise }) };
}

/** All of the conditions, three-valued; true for none. */
export function allOf(conditions: readonly Expr[]): Expr {
  if (conditions.length === 0) return boolean(true);
  return conditions.length === 1 ? conditions[0]! : call("and", ...conditions);
}
