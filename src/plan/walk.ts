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

/** The list with each item changed; the same list when no item did. */
function mapSame<T>(items: readonly T[], change: (item: T) => T): readonly T[] {
  let changed: T[] | undefined;
  for (let i = 0; i < items.length; i++) {
    const before = items[i]!;
    const after = change(before);
    if (after !== before) changed ??= items.slice(0, i);
    changed?.push(after);
  }
  return changed ?? items;
}

/**
 * The expression with its direct sub-expressions replaced; `change` sees them in the order of {@link children}. When none changes the
 * expression itself is returned, so that what is known of it stays known.
 */
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
    case "conform": {
      const base = change(expr.base);
      return base === expr.base ? expr : { ...expr, base };
    }
    case "call": {
      const args = mapSame(expr.args, change);
      return args === expr.args ? expr : { ...expr, args };
    }
    case "transform":
    case "filter": {
      const list = change(expr.list);
      const body = change(expr.body);
      return list === expr.list && body === expr.body ? expr : { ...expr, list, body };
    }
    case "case": {
      const when = mapSame(expr.when, (pair) => {
        const [test, then] = pair;
        const changed = [change(test), change(then)] as const;
        return changed[0] === test && changed[1] === then ? pair : changed;
      });
      const otherwise = expr.otherwise === undefined ? undefined : change(expr.otherwise);
      if (when === expr.when && otherwise === expr.otherwise) return expr;
      return { kind: "case", when, ...(otherwise === undefined ? {} : { otherwise }) };
    }
    case "struct": {
      const fields = mapSame(expr.fields, (field) => {
        const value = change(field[1]);
        return value === field[1] ? field : ([field[0], value] as const);
      });
      return fields === expr.fields ? expr : { kind: "struct", fields };
    }
  }
}

/** True when `test` holds for the expression or anything inside it. */
export function contains(expr: Expr, test: (expr: Expr) => boolean): boolean {
  return test(expr) || children(expr).some((child) => contains(child, test));
}

/** The expression with a lambda variable replaced wherever it occurs. */
export function substitute(expr: Expr, variable: string, value: Expr): Expr {
  if (expr.kind === "variable" && expr.name === variable) return value;
  return mapChildren(expr, (child) => substitute(child, variable, value));
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
