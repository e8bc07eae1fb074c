import type { Expr } from "./expression.js";
import { type ExpressionNumbers, factsOf } from "./expression-facts.js";
import { mapChildren } from "./walk.js";

/** A place in the plan that holds an expression. */
export interface Slot {
  expr: Expr;
  /** How often SQL writes the expression where it stands. */
  readonly weight: number;
}

/** A place for an expression. */
export function slot(expr: Expr, weight = 1): Slot {
  return { expr, weight };
}

/** What all places of one plan share. */
export interface Naming {
  readonly numbers: ExpressionNumbers;
  newName(): string;
}

/** Puts a column in the place of an expression wherever it occurs. */
export class Replacement {
  private readonly number: number;
  private readonly cost: number;
  private readonly column: Expr;
  private readonly numbers: ExpressionNumbers;

  constructor(target: Expr, name: string, numbers: ExpressionNumbers) {
    this.number = numbers.of(target);
    this.cost = factsOf(target).cost;
    this.column = { kind: "column", name };
    this.numbers = numbers;
  }

  within(expr: Expr): Expr {
    const { cost, free } = factsOf(expr);
    if (cost < this.cost) return expr;
    if (free.size === 0 && this.numbers.of(expr) === this.number) return this.column;
    return mapChildren(expr, (child) => this.within(child));
  }
}
