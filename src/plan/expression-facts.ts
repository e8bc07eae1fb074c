import { costOfParts } from "./cost.js";
import { typeText } from "./data-type.js";
import type { Expr } from "./expression.js";
import type { Usage } from "./usage.js";
import { children } from "./walk.js";

/** What sharing asks of an expression, worked out once: expressions are immutable. */
export interface ExpressionFacts {
  /** Rough cost of evaluating it once, in units of one comparison. */
  readonly cost: number;
  /** Lambda variables bound outside of it. */
  readonly free: ReadonlySet<string>;
  /** Columns that it reads. */
  readonly columns: ReadonlySet<string>;
  /** True when its evaluation can end the statement with an error of the data. */
  readonly fails: boolean;
  /** Its direct sub-expressions, and what is known of each. */
  readonly parts: readonly Expr[];
  readonly inner: readonly ExpressionFacts[];
}

const NONE: ReadonlySet<string> = new Set();
const known = new WeakMap<Expr, ExpressionFacts>();

function union(sets: readonly ReadonlySet<string>[]): ReadonlySet<string> {
  const filled = sets.filter((set) => set.size > 0);
  if (filled.length <= 1) return filled[0] ?? NONE;
  const all = new Set(filled[0]);
  for (const set of filled.slice(1)) for (const name of set) all.add(name);
  return all;
}

function freeVariables(expr: Expr, inner: readonly ExpressionFacts[]): ReadonlySet<string> {
  if (expr.kind === "variable") return new Set([expr.name]);
  const all = union(inner.map((facts) => facts.free));
  if ((expr.kind !== "transform" && expr.kind !== "filter") || all.size === 0) return all;
  const [list, body] = inner;
  const outside = new Set(body!.free);
  outside.delete(expr.variable);
  if (expr.index !== undefined) outside.delete(expr.index);
  return union([list!.free, outside]);
}

/** The facts of an expression. */
export function factsOf(expr: Expr): ExpressionFacts {
  const earlier = known.get(expr);
  if (earlier !== undefined) return earlier;
  const parts = children(expr);
  const inner = parts.map(factsOf);
  const facts: ExpressionFacts = {
    cost: costOfParts(
      expr,
      inner.reduce((sum, { cost }) => sum + cost, 0),
    ),
    free: freeVariables(expr, inner),
    columns: expr.kind === "column" ? new Set([expr.name]) : union(inner.map(({ columns }) => columns)),
    fails: expr.kind === "fail" || inner.some(({ fails }) => fails),
    parts,
    inner,
  };
  known.set(expr, facts);
  return facts;
}

/** Rough cost of evaluating an expression once, in units of one comparison. Reading a column or a field is free. */
export function costOf(expr: Expr): number {
  return factsOf(expr).cost;
}

type Bound = ReadonlyMap<string, number>;
const UNBOUND: Bound = new Map();

/**
 * Gives expressions numbers: two have the same one exactly when they mean the same, whatever their lambda variables are called.
 * Numbers hold within one instance.
 */
export class ExpressionNumbers {
  private readonly numbers = new Map<string, number>();
  private readonly closed = new WeakMap<Expr, number>();
  private readonly usages = new WeakMap<Usage, number>();
  private usageCount = 0;

  /** The number of an expression without free variables. */
  of(expr: Expr): number {
    let number = this.closed.get(expr);
    if (number === undefined) {
      number = this.intern(this.text(expr, UNBOUND));
      this.closed.set(expr, number);
    }
    return number;
  }

  private intern(text: string): number {
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.numbers.size;
      this.numbers.set(text, number);
    }
    return number;
  }

  private usage(usage: Usage): number {
    let id = this.usages.get(usage);
    if (id === undefined) {
      id = ++this.usageCount;
      this.usages.set(usage, id);
    }
    return id;
  }

  /** A part of an expression's text: closed parts by their number, so that texts stay short. */
  private part(expr: Expr, bound: Bound): string {
    return factsOf(expr).free.size === 0 ? `${this.of(expr)}` : `(${this.text(expr, bound)})`;
  }

  private text(expr: Expr, bound: Bound): string {
    switch (expr.kind) {
      case "literal":
        return `=${typeText(expr.type)}${JSON.stringify(expr.value)}`;
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
        return `.${this.part(expr.base, bound)}.${expr.name}${expr.raw === true ? "!" : ""}:${this.usage(expr.usage)}`;
      case "conform":
        return `conform ${this.part(expr.base, bound)},${this.usage(expr.usage)},${expr.list}`;
      case "call": {
        const type = expr.type === undefined ? "" : typeText(expr.type);
        return `${expr.operation}${type} ${expr.args.map((arg) => this.part(arg, bound)).join(",")}`;
      }
      case "transform":
      case "filter": {
        const inner = new Map(bound).set(expr.variable, bound.size);
        if (expr.index !== undefined) inner.set(expr.index, bound.size + 1);
        return `${expr.kind} ${this.part(expr.list, bound)},${this.part(expr.body, inner)}`;
      }
      case "case": {
        const when = expr.when.map(([test, then]) => `${this.part(test, bound)}?${this.part(then, bound)}`);
        const otherwise = expr.otherwise === undefined ? "" : this.part(expr.otherwise, bound);
        return `case ${when.join(",")},${otherwise}`;
      }
      case "struct":
        return `{${expr.fields.map(([name, value]) => `${JSON.stringify(name)}:${this.part(value, bound)}`).join(",")}}`;
      case "fail":
        return `fail(${expr.code},${expr.subject})`;
    }
  }
}
