import { typeText } from "./data-type.js";
import type { Expr } from "./expression.js";
import type { Usage } from "./usage.js";
import { children } from "./walk.js";

const usageIds = new WeakMap<Usage, number>();
let nextUsageId = 0;

function usageId(usage: Usage): number {
  let id = usageIds.get(usage);
  if (id === undefined) {
    id = ++nextUsageId;
    usageIds.set(usage, id);
  }
  return id;
}

type Bound = ReadonlyMap<string, number>;

function key(expr: Expr, bound: Bound): string {
  switch (expr.kind) {
    case "literal":
      return `${typeText(expr.type)}${JSON.stringify(expr.value)}`;
    case "null":
      return `null:${typeText(expr.type)}`;
    case "row":
      return "row";
    case "system":
      return `@${expr.name}`;
    case "column":
      return `#${expr.name}`;
    case "variable": {
      const level = bound.get(expr.name);
      return level === undefined ? `free:${expr.name}` : `^${level}`;
    }
    case "field":
      return `${key(expr.base, bound)}.${expr.name}${expr.raw === true ? "!" : ""}:${usageId(expr.usage)}`;
    case "conform":
      return `conform(${key(expr.base, bound)},${usageId(expr.usage)},${expr.list})`;
    case "call": {
      const type = expr.type === undefined ? "" : typeText(expr.type);
      return `${expr.operation}${type}(${expr.args.map((arg) => key(arg, bound)).join(",")})`;
    }
    case "transform":
    case "filter": {
      const inner = new Map(bound).set(expr.variable, bound.size);
      if (expr.index !== undefined) inner.set(expr.index, bound.size + 1);
      return `${expr.kind}(${key(expr.list, bound)},${key(expr.body, inner)})`;
    }
    case "case": {
      const when = expr.when.map(([test, then]) => `${key(test, bound)}?${key(then, bound)}`);
      return `case(${when.join(",")},${expr.otherwise === undefined ? "" : key(expr.otherwise, bound)})`;
    }
    case "struct":
      return `{${expr.fields.map(([name, value]) => `${name}:${key(value, bound)}`).join(",")}}`;
    case "fail":
      return `fail(${expr.code},${expr.subject})`;
  }
}

/** Text that is the same for expressions that mean the same, whatever their lambda variables are called. */
export function expressionKey(expr: Expr): string {
  return key(expr, new Map());
}

/** True when a variable bound outside of the expression occurs in it. */
export function hasFreeVariable(expr: Expr, bound: ReadonlySet<string> = new Set()): boolean {
  if (expr.kind === "variable") return !bound.has(expr.name);
  if (expr.kind === "transform" || expr.kind === "filter") {
    const inner = new Set(bound).add(expr.variable);
    if (expr.index !== undefined) inner.add(expr.index);
    return hasFreeVariable(expr.list, bound) || hasFreeVariable(expr.body, inner);
  }
  return children(expr).some((child) => hasFreeVariable(child, bound));
}
