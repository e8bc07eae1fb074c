import { REPEATS_OPERAND } from "./cost.js";
import type { Expr } from "./expression.js";
import { type ExpressionFacts, ExpressionNumbers, factsOf } from "./expression-facts.js";
import { membersInsteadOfStructs } from "./members.js";
import type { NamedExpr, Plan, Relation } from "./relation.js";
import { type Naming, Replacement, type Slot, slot } from "./slot.js";
import { contains } from "./walk.js";

/**
 * Common subpaths are computed once. An expression that a row needs more than once, or that would be computed again for every item of a
 * later unnest, moves into an `extend` at the lowest place where its inputs are there and the row is still wanted.
 */

/** Cheaper expressions are computed again rather than carried. */
const WORTH_SHARING = 4;

/** A plan node whose expressions can be replaced and below which columns can be added. */
interface Node {
  readonly relation: Relation;
  readonly input: Node | undefined;
  readonly slots: readonly Slot[];
  readonly branches: readonly Branch[];
  below: readonly (readonly NamedExpr[])[];
}

interface Branch {
  readonly node: Node;
  readonly columns: readonly (Slot & { readonly name: string })[];
  above: readonly (readonly NamedExpr[])[];
}

function open(relation: Relation): Node {
  const node = (
    input: Relation | undefined,
    slots: readonly Slot[],
    branches: readonly Branch[] = [],
  ): Node => ({
    relation,
    input: input === undefined ? undefined : open(input),
    slots,
    branches,
    below: [],
  });
  switch (relation.kind) {
    case "scan":
    case "shared":
      return node(undefined, []);
    case "filter":
      return node(relation.input, [slot(relation.predicate)]);
    case "extend":
      return node(
        relation.input,
        relation.columns.map(({ expr }) => slot(expr)),
      );
    case "unnest":
    case "repeat": {
      const list = relation.kind === "unnest" ? relation.list : relation.start;
      const { keepEmpty } = relation;
      return node(relation.input, [slot(list, 2), ...(keepEmpty === undefined ? [] : [slot(keepEmpty)])]);
    }
    case "union":
      return node(
        relation.input,
        [],
        relation.branches.map((branch) => ({
          node: open(branch.relation),
          columns: branch.columns.map(({ name, expr }) => ({ name, expr, weight: 1 })),
          above: [],
        })),
      );
  }
}

function extended(relation: Relation, layers: readonly (readonly NamedExpr[])[]): Relation {
  return layers.reduce<Relation>((input, columns) => ({ kind: "extend", input, columns }), relation);
}

function close(node: Node): Relation {
  const { relation, slots } = node;
  if (relation.kind === "scan" || relation.kind === "shared") return relation;
  const input = extended(close(node.input!), node.below);
  const [first, second] = slots;
  switch (relation.kind) {
    case "filter":
      return { ...relation, input, predicate: first!.expr };
    case "extend":
      return {
        ...relation,
        input,
        columns: relation.columns.map(({ name }, i) => ({ name, expr: slots[i]!.expr })),
      };
    case "unnest":
      return {
        ...relation,
        input,
        list: first!.expr,
        ...(second === undefined ? {} : { keepEmpty: second.expr }),
      };
    case "repeat":
      return {
        ...relation,
        input,
        start: first!.expr,
        ...(second === undefined ? {} : { keepEmpty: second.expr }),
      };
    case "union":
      return {
        ...relation,
        input,
        branches: node.branches.map((branch, i) => ({
          relation: extended(close(branch.node), branch.above),
          columns: relation.branches[i]!.columns.map((column, j) => ({
            ...column,
            expr: branch.columns[j]!.expr,
          })),
        })),
      };
  }
}

/** All expressions inside a node and below it, down to the rows that a union shares. */
function slotsWithin(node: Node): Slot[] {
  const inBranches = node.branches.flatMap((branch) => [...slotsWithin(branch.node), ...branch.columns]);
  return [...node.slots, ...inBranches, ...(node.input === undefined ? [] : slotsWithin(node.input))];
}

/** Columns that a node's rows have. */
function columnsOf(node: Node, names = new Set<string>()): Set<string> {
  const { relation } = node;
  if (relation.kind === "shared") return columnsOfRelation(relation.of, names);
  for (const layer of node.below) for (const { name } of layer) names.add(name);
  addOwnColumns(relation, names);
  if (node.input !== undefined) columnsOf(node.input, names);
  return names;
}

function addOwnColumns(relation: Relation, names: Set<string>): void {
  if (relation.kind === "unnest" || relation.kind === "repeat") {
    names.add(relation.item);
    if (relation.index !== undefined) names.add(relation.index);
  } else if (relation.kind === "extend") {
    for (const { name } of relation.columns) names.add(name);
  } else if (relation.kind === "union") {
    for (const { name } of relation.branches[0]!.columns) names.add(name);
  }
}

function columnsOfRelation(relation: Relation, names: Set<string>): Set<string> {
  addOwnColumns(relation, names);
  if (relation.kind === "shared") columnsOfRelation(relation.of, names);
  else if (relation.kind !== "scan") columnsOfRelation(relation.input, names);
  return names;
}

interface Candidate {
  readonly expr: Expr;
  readonly cost: number;
  count: number;
}

interface NumberedCandidate extends Candidate {
  readonly key: number;
}

/** Adds up candidates; with `add` false only those that are candidates already. */
function addCandidates(
  found: readonly NumberedCandidate[],
  into: Map<number, Candidate>,
  add: boolean,
): void {
  for (const { key, expr, cost, count } of found) {
    const known = into.get(key);
    if (known !== undefined) known.count += count;
    else if (add) into.set(key, { expr, cost, count });
  }
}

/** Finds what is worth sharing among the expressions of one place. */
class Sharing {
  private readonly available: ReadonlySet<string>;
  private readonly naming: Naming;
  private readonly shared: (NamedExpr & { readonly slot: Slot })[] = [];
  private readonly sharedNames = new Set<string>();
  private readonly counted = new WeakMap<
    Expr,
    { readonly weight: number; readonly found: readonly NumberedCandidate[] }
  >();

  constructor(available: ReadonlySet<string>, naming: Naming) {
    this.available = available;
    this.naming = naming;
  }

  /** `own`: evaluated here. `later`: evaluated above. `multiplied`: what is evaluated above may be so for several rows per row here. */
  run(own: readonly Slot[], later: readonly Slot[], multiplied: boolean): readonly (readonly NamedExpr[])[] {
    for (
      let found = this.best(own, later, multiplied);
      found !== undefined;
      found = this.best(own, later, multiplied)
    ) {
      const name = this.naming.newName();
      const replace = new Replacement(found, name, this.naming.numbers);
      for (const at of [...own, ...later, ...this.shared.map((share) => share.slot)])
        at.expr = replace.within(at.expr);
      this.shared.push({ name, expr: found, slot: slot(found) });
      this.sharedNames.add(name);
    }
    return layered(this.shared.map(({ name, slot: { expr } }) => ({ name, expr })));
  }

  private best(own: readonly Slot[], later: readonly Slot[], multiplied: boolean): Expr | undefined {
    const here = new Map<number, Candidate>();
    const slots = [...own, ...this.shared.map((share) => share.slot)];
    for (const each of slots) addCandidates(this.candidatesOf(each), here, true);
    const above = multiplied ? new Map<number, Candidate>() : here;
    for (const each of later) addCandidates(this.candidatesOf(each), above, multiplied);
    if (multiplied) {
      for (const [key, candidate] of above) {
        const known = here.get(key);
        if (known === undefined) here.set(key, { ...candidate, count: Math.max(2, candidate.count) });
        else known.count += candidate.count;
      }
    }
    let best: Candidate | undefined;
    for (const candidate of here.values()) {
      if (candidate.count >= 2 && (best === undefined || candidate.cost > best.cost)) best = candidate;
    }
    return best?.expr;
  }

  /** The candidates in one place. Most places stay as they are from one candidate shared to the next. */
  private candidatesOf({ expr, weight }: Slot): readonly NumberedCandidate[] {
    const known = this.counted.get(expr);
    if (known !== undefined && known.weight === weight) return known.found;
    const found: NumberedCandidate[] = [];
    this.count(expr, factsOf(expr), weight, found);
    this.counted.set(expr, { weight, found });
    return found;
  }

  private count(expr: Expr, facts: ExpressionFacts, weight: number, into: NumberedCandidate[]): void {
    const { cost, parts, inner } = facts;
    if (cost < WORTH_SHARING) return;
    const candidate = this.isCandidate(facts);
    if (candidate) into.push({ key: this.naming.numbers.of(expr), expr, cost, count: weight });
    const repeats = expr.kind === "call" && REPEATS_OPERAND.has(expr.operation);
    // What cannot be shared itself is written as often as what holds it says.
    const each = candidate ? 1 : weight;
    for (let i = 0; i < parts.length; i++)
      this.count(parts[i]!, inner[i]!, repeats && i === 0 ? 2 * each : each, into);
  }

  private isCandidate({ free, fails, columns }: ExpressionFacts): boolean {
    if (free.size > 0 || fails) return false;
    for (const name of columns) if (!this.available.has(name) && !this.sharedNames.has(name)) return false;
    return true;
  }
}

/** Columns in layers, so that each uses only those of lower ones. */
function layered(columns: readonly NamedExpr[]): readonly (readonly NamedExpr[])[] {
  const layers: NamedExpr[][] = [];
  let open = [...columns];
  while (open.length > 0) {
    const names = new Set(open.map(({ name }) => name));
    const ready = open.filter(({ expr }) => ![...factsOf(expr).columns].some((name) => names.has(name)));
    layers.push(ready);
    open = open.filter((column) => !ready.includes(column));
  }
  return layers;
}

/** True when a row usually becomes several; a list that is filtered first more often leaves none. */
function multiplies({ relation, slots }: Node): boolean {
  if (relation.kind === "union" || relation.kind === "repeat") return true;
  if (relation.kind !== "unnest") return false;
  return relation.keepEmpty !== undefined || !contains(slots[0]!.expr, (expr) => expr.kind === "filter");
}

function visit(node: Node, above: readonly Slot[], naming: Naming): void {
  if (node.input === undefined) return;
  const branchSlots = node.branches.flatMap((branch) => [...slotsWithin(branch.node), ...branch.columns]);
  visit(node.input, [...node.slots, ...branchSlots, ...above], naming);
  const multiplied = multiplies(node);
  const later = [...branchSlots, ...above];
  node.below = new Sharing(columnsOf(node.input), naming).run(node.slots, later, multiplied);
  if (node.relation.kind === "unnest" || node.relation.kind === "repeat") {
    const own = new Set<string>();
    addOwnColumns(node.relation, own);
    const members = membersInsteadOfStructs(columnsOf(node), own, later, naming);
    if (members.length > 0) node.below = [...node.below, members];
  }
  for (const branch of node.branches) {
    visit(branch.node, branch.columns, naming);
    branch.above = new Sharing(columnsOf(branch.node), naming).run(branch.columns, [], false);
  }
}

/** The plan with common and multiplied subexpressions computed once. Results are the same row for row. */
export function shareSubexpressions(plan: Plan): Plan {
  let next = 0;
  const naming: Naming = { numbers: new ExpressionNumbers(), newName: () => `#s${++next}` };
  const root = open(plan.relation);
  const outputs = plan.columns.map(({ expr }) => slot(expr));
  visit(root, outputs, naming);
  const top = new Sharing(columnsOf(root), naming).run(outputs, [], false);
  return {
    ...plan,
    relation: extended(close(root), top),
    columns: plan.columns.map((column, i) => ({ ...column, expr: outputs[i]!.expr })),
  };
}
