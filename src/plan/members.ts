import type { Expr } from "./expression.js";
import { factsOf } from "./expression-facts.js";
import type { NamedExpr } from "./relation.js";
import { type Naming, Replacement, type Slot } from "./slot.js";
import { children } from "./walk.js";

type Field = Expr & { readonly kind: "field" };

/** The struct that a row carries, at the bottom of a chain of members: a column, or a property of the resource. */
function carried(expr: Expr): string | undefined {
  if (expr.kind === "column") return `column:${expr.name}`;
  return expr.kind === "field" && expr.base.kind === "row" ? `row:${expr.name}` : undefined;
}

/** What later expressions read of each struct that rows carry: its members, or the whole. */
class Reads {
  private readonly members = new Map<string, Map<number, Field>>();
  private readonly whole = new Set<string>();
  private readonly naming: Naming;

  constructor(naming: Naming) {
    this.naming = naming;
  }

  add(expr: Expr): void {
    const base = carried(expr);
    if (base !== undefined) {
      this.whole.add(base);
      return;
    }
    const of = expr.kind === "field" ? carried(expr.base) : undefined;
    if (of === undefined || expr.kind !== "field") {
      for (const child of children(expr)) this.add(child);
      return;
    }
    const known = this.members.get(of) ?? new Map<number, Field>();
    this.members.set(of, known.set(this.naming.numbers.of(expr), expr));
  }

  /** Members of the structs of which nothing else is read. */
  membersAlone(): Field[] {
    return [...this.members].flatMap(([of, found]) => (this.whole.has(of) ? [] : [...found.values()]));
  }
}

/**
 * The members of structs that become columns before a row is multiplied, so that the struct, with all that is read of it only here, is
 * not copied along with every new row. `later` gets the columns in the place of the members.
 *
 * @param available columns that the rows have before they are multiplied, and afterwards
 * @param own columns that exist only afterwards
 */
export function membersInsteadOfStructs(
  available: ReadonlySet<string>,
  own: ReadonlySet<string>,
  later: readonly Slot[],
  naming: Naming,
): readonly NamedExpr[] {
  const reads = new Reads(naming);
  for (const { expr } of later) reads.add(expr);
  const columns: NamedExpr[] = [];
  for (const member of reads.membersAlone()) {
    const names = [...factsOf(member).columns];
    if (names.some((name) => !available.has(name) || own.has(name))) continue;
    const name = naming.newName();
    const replace = new Replacement(member, name, naming.numbers);
    for (const at of later) at.expr = replace.within(at.expr);
    columns.push({ name, expr: member });
  }
  return columns;
}
