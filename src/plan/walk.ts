import type { Expr, Operation } from "./expression.js";

/** The direct sub-expressions of an expression, in order. */
export function children(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "literal":
    case "null":
    case "row":
    case "system":
    case "column":
    case "variable":
    case "fail":
      return [];
    case "field":
    case "conform":
      return [expr.base];
    case "call":
      return expr.args;
    case "transform":
    case "filter":
      return [expr.list, expr.body];
    case "case":
      return [...expr.when.flat(), ...(expr.otherwise === undefined ? [] : [expr.otherwise])];
    case "struct":
      return expr.fields.map(([, value]) => value);
  }
}

/** The expression with its direct sub-expressions replaced; `change` sees them in the order of {@link children}. */
export function mapChildren(expr: Expr, change: (child: Expr) => Expr): Expr {
  switch (expr.kind) {
    case "literal":
    case "null":
    case "row":
    case "system":
    case "column":
    case "variable":
    case "fail":
      return expr;
    case "field":
    case "conform":
      return { ...expr, base: change(expr.base) };
    case "call":
      return { ...expr, args: expr.args.map(change) };
    case "transform":
    case "filter":
      return { ...expr, list: change(expr.list), body: change(expr.body) };
    case "case":
      return {
        kind: "case",
        when: expr.when.map(([when, then]) => [change(when), change(then)] as const),
        ...(expr.otherwise === undefined ? {} : { otherwise: change(expr.otherwise) }),
      };
    case "struct":
      return { kind: "struct", fields: expr.fields.map(([name, value]) => [name, change(value)] as const) };
  }
}

/** True when `test` holds for the expression or anything inside it. */
export function contains(expr: Expr, test: (expr: Expr) => boolean): boolean {
  return test(expr) || children(expr).some((child) => contains(child, test));
}

/** Operations whose result is not NULL although an operand is. */
const NOT_STRICT: ReadonlySet<Operation> = new Set<Operation>([
  "and",
  "or",
  "isNull",
  "isNotNull",
  "isTrue",
  "coalesce",
  "listLength",
  "listConcatenate",
  "listOf",
  "listAny",
  "listAll",
]);

/** True when the expression is certainly NULL whenever the sub-expression that `isTarget` recognises is NULL. */
export function nullWith(expr: Expr, isTarget: (expr: Expr) => boolean): boolean {
  if (isTarget(expr)) return true;
  switch (expr.kind) {
    case "field":
    case "conform":
      return nullWith(expr.base, isTarget);
    case "transform":
    case "filter":
      return nullWith(expr.list, isTarget);
    case "call":
      if (expr.operation === "coalesce" || expr.operation === "and" || expr.operation === "or") {
        return expr.args.every((arg) => nullWith(arg, isTarget));
      }
      return !NOT_STRICT.has(expr.operation) && expr.args.some((arg) => nullWith(arg, isTarget));
    case "case":
      return (
        expr.when.every(([, then]) => nullWith(then, isTarget)) &&
        (expr.otherwise === undefined || nullWith(expr.otherwise, isTarget))
      );
    case "null":
      return true;
    default:
      return false;
  }
}
