import type { Definitions, Shape } from "#fhir";
import {
  analyze,
  type Collection,
  type ConstantValue,
  compact,
  type Environment,
  existsIn,
  isEmpty,
  isPlain,
  mayFail,
  NameSource,
  predicate,
  type Scope,
  self,
} from "#fhirpath";
import { didYouMean } from "#kernel";
import {
  boolean,
  call,
  choose,
  costOf,
  createUsage,
  type Expr,
  integer,
  itemShape,
  nullOf,
  nullWith,
  type OutputColumn,
  type Plan,
  type Relation,
  sameType,
  type Usage,
} from "#plan";
import { type LoweredColumn, located, lowerColumn } from "./column.js";
import { at, type CompileWarning, viewError } from "./errors.js";
import type { PathExpression, SelectModel, ViewModel } from "./model.js";
import type { PathLowering, Place } from "./place.js";
import { lowerRepeat } from "./repeat.js";

/** A select's rows with its columns in output order. */
interface Lowered {
  readonly relation: Relation;
  readonly columns: readonly LoweredColumn[];
}

/** Lowers a checked view to a plan. */
export class ViewLowering implements PathLowering {
  readonly environment: Environment;
  readonly warnings: CompileWarning[];
  private readonly rootUsage: Usage;

  constructor(definitions: Definitions, view: ViewModel, warnings: CompileWarning[]) {
    this.rootUsage = createUsage(view.resource, false);
    const resource: Collection = {
      expr: { kind: "row" },
      many: false,
      sparse: false,
      variants: [{ type: view.resource, usage: this.rootUsage, pick: self }],
    };
    const constants: ReadonlyMap<string, ConstantValue> = view.constants;
    this.environment = { definitions, resource, constants, names: new NameSource() };
    this.warnings = warnings;
  }

  /** What the view reads of a resource; complete after {@link lower}. */
  requiredShape(): Shape {
    if (this.rootUsage.children.size === 0) return { kind: "struct", fields: new Map() };
    return itemShape(this.environment.definitions, this.rootUsage);
  }

  lower(view: ViewModel): { plan: Plan; columns: readonly LoweredColumn[] } {
    let relation: Relation = { kind: "scan" };
    const focus = this.environment.resource;
    const included = this.included(view.where, focus);
    if (included !== undefined) relation = { kind: "filter", input: relation, predicate: included };
    const start: Place = { relation, focus, rowIndex: integer(0) };
    const { relation: rows, columns } = this.selects(view.selects, start);
    const output = columns.map(({ model, expr, type }): OutputColumn => ({ name: model.name, expr, type }));
    // Where nothing but the conditions drops rows, the engine cannot pass over them.
    const dropsRows = rows.kind !== "scan" && !(rows.kind === "filter" && rows.input.kind === "scan");
    const check = included !== undefined && mayFail(included) && dropsRows ? included : undefined;
    const plan: Plan = { resource: view.resource, relation: rows, columns: output };
    return { plan: check === undefined ? plan : { ...plan, check }, columns };
  }

  scope(place: Place): Scope {
    return { focus: place.focus, context: place.focus, rowIndex: place.rowIndex };
  }

  /** A path at a place; its warnings get their JSON path. */
  path(expression: PathExpression, place: Place): Collection {
    const { path, text, ast } = expression;
    const { collection, warnings } = at(path, () => analyze(this.environment, ast, text, this.scope(place)));
    for (const warning of warnings) this.warnings.push(located(warning, path, text));
    return collection;
  }

  /**
   * Whether a resource is in the view; undefined without conditions. They are asked in order: one that the data can break is not asked
   * where an earlier one is not true, which an engine would not promise for a mere conjunction.
   */
  private included(conditions: readonly PathExpression[], focus: Collection): Expr | undefined {
    let all: Expr | undefined;
    for (const condition of conditions) {
      const collection = this.path(condition, { relation: { kind: "scan" }, focus, rowIndex: integer(0) });
      const test = at(condition.path, () => predicate(this.environment, condition.text, collection));
      if (all === undefined) all = test;
      else all = mayFail(test) ? choose(all, test) : call("and", all, test);
    }
    return all;
  }

  /** Sibling selects: each works on the rows that those before it have made, which crosses them. */
  private selects(selects: readonly SelectModel[], place: Place): Lowered {
    let { relation } = place;
    const columns: LoweredColumn[] = [];
    for (const select of selects) {
      const lowered = this.select(select, { ...place, relation });
      relation = lowered.relation;
      columns.push(...lowered.columns);
    }
    return { relation, columns };
  }

  /** One select: its iteration, then own columns, nested selects and unionAll, in output order. */
  select(select: SelectModel, outer: Place): Lowered {
    const place = this.iterate(select, outer);
    const own = select.columns.map((column) =>
      this.guarded(lowerColumn(this.environment, column, this.scope(place), this.warnings), place),
    );
    const nested = this.selects(select.selects, place);
    if (select.unionAll === undefined)
      return { relation: nested.relation, columns: [...own, ...nested.columns] };
    const union = this.union(select, select.unionAll, { ...place, relation: nested.relation });
    return { relation: union.relation, columns: [...own, ...nested.columns, ...union.columns] };
  }

  /** Under forEachOrNull a column is NULL where there is no focus, whatever its path makes of nothing. */
  private guarded(column: LoweredColumn, place: Place): LoweredColumn {
    const { present } = place;
    if (present === undefined || column.isRowIndex) return column;
    if (nullWith(column.expr, (expr) => expr === place.focus.expr)) return column;
    return { ...column, expr: choose(present, column.expr) };
  }

  private iterate(select: SelectModel, outer: Place): Place {
    const { iteration } = select;
    switch (iteration.kind) {
      case "none":
        return outer;
      case "forEach":
      case "forEachOrNull":
        return this.forEach(
          this.path(iteration.expression, outer),
          outer,
          iteration.kind === "forEachOrNull",
        );
      case "repeat":
        return lowerRepeat(this, iteration.expressions, outer);
    }
  }

  private forEach(found: Collection, outer: Place, orNull: boolean): Place {
    // A primitive that has only an extension is an item too.
    const items = found.elements?.() ?? found;
    const kept = outer.present === undefined ? undefined : call("not", outer.present);
    if (isEmpty(items)) return this.nothing(outer, orNull);
    const list = items.many
      ? compact(this.environment.names, items)
      : asShortList(this.environment.names, items);
    if (list === undefined) return this.forEachSingle(items, outer, orNull, kept);
    const item = this.environment.names.column();
    const index = this.environment.names.column();
    const keepEmpty = orNull ? boolean(true) : kept;
    const relation: Relation = {
      kind: "unnest",
      input: outer.relation,
      list: list.expr,
      item,
      index,
      ...(keepEmpty === undefined ? {} : { keepEmpty }),
    };
    const column: Expr = { kind: "column", name: item };
    const focus: Collection = { expr: column, many: false, sparse: false, variants: list.variants };
    const rowIndex: Expr = { kind: "column", name: index };
    if (keepEmpty === undefined) return { relation, focus, rowIndex };
    return { relation, focus, rowIndex, present: call("isNotNull", column) };
  }

  /** At most one item: no unnesting, the row stays or goes. */
  private forEachSingle(items: Collection, outer: Place, orNull: boolean, kept: Expr | undefined): Place {
    const present = existsIn(this.environment.names, items);
    const rowIndex = integer(0);
    const guard = { kind: "literal", value: true } as const;
    if (present.kind === guard.kind && present.value === guard.value)
      return { ...outer, focus: items, rowIndex };
    if (orNull) return { relation: outer.relation, focus: items, rowIndex, present };
    const test = kept === undefined ? present : call("or", present, kept);
    const relation: Relation = { kind: "filter", input: outer.relation, predicate: test };
    return kept === undefined
      ? { relation, focus: items, rowIndex }
      : { relation, focus: items, rowIndex, present };
  }

  /** A path that is always empty. */
  nothing(outer: Place, orNull: boolean): Place {
    const focus: Collection = {
      expr: nullOf({ kind: "scalar", type: "text" }),
      many: false,
      sparse: false,
      variants: [],
    };
    const rowIndex = integer(0);
    const present = boolean(false);
    if (orNull) return { relation: outer.relation, focus, rowIndex, present };
    const predicateExpr = outer.present === undefined ? boolean(false) : call("not", outer.present);
    const relation: Relation = { kind: "filter", input: outer.relation, predicate: predicateExpr };
    return { relation, focus, rowIndex, present };
  }

  private union(select: SelectModel, branches: readonly SelectModel[], place: Place): Lowered {
    if (branches.length === 0) {
      const relation: Relation = { kind: "filter", input: place.relation, predicate: boolean(false) };
      return { relation, columns: [] };
    }
    const name = this.environment.names.column();
    const shared: Relation = { kind: "shared", name, of: place.relation };
    const lowered = branches.map((branch, i) => {
      // The one row without focus comes from the first branch alone.
      const relation: Relation =
        i === 0 || place.present === undefined
          ? shared
          : { kind: "filter", input: shared, predicate: place.present };
      return this.select(branch, { ...place, relation });
    });
    const columns = this.unionColumns(
      select,
      lowered.map((branch) => branch.columns),
    );
    const names = columns.map(() => this.environment.names.column());
    const relation: Relation = {
      kind: "union",
      input: place.relation,
      name,
      branches: lowered.map((branch) => ({
        relation: branch.relation,
        columns: branch.columns.map(
          (column, i): OutputColumn => ({
            name: names[i]!,
            expr: typedNull(column, columns[i]!),
            type: columns[i]!.type,
          }),
        ),
      })),
    };
    return {
      relation,
      columns: columns.map((column, i) => ({
        ...column,
        expr: { kind: "column", name: names[i]! },
        isRowIndex: false,
      })),
    };
  }

  /** The columns of a union: all branches must have the same names in the same order, and compatible types. */
  private unionColumns(
    select: SelectModel,
    branches: readonly (readonly LoweredColumn[])[],
  ): readonly LoweredColumn[] {
    const first = branches[0]!;
    const names = (columns: readonly LoweredColumn[]): string =>
      columns.map((column) => column.model.name).join(", ");
    for (const [i, branch] of branches.entries()) {
      const path = `${select.path}.unionAll[${i}]`;
      if (names(branch) !== names(first)) {
        throw viewError(
          "union-columns",
          path,
          `Branches need the same columns in the same order; this one has ${names(branch)}, the first has ${names(first)}.`,
        );
      }
      for (const [j, column] of branch.entries()) checkUnionType(path, first[j]!, column);
    }
    return first.map(
      (column, j) => branches.map((branch) => branch[j]!).find((c) => c.fhirType !== undefined) ?? column,
    );
  }
}

/**
 * A list of at most one item, for a path that is costly to compute: unnesting computes it once, where a filter on its presence would
 * compute it again. Undefined where testing presence is cheap.
 */
function asShortList(names: NameSource, items: Collection): Collection | undefined {
  const { expr } = items;
  if (expr.kind === "row" || items.variants.length !== 1 || costOf(expr) < 4) return undefined;
  // What holds a primitive stands for it only where the primitive is there.
  if (!isPlain(items)) return { ...items, expr: call("listOf", choose(existsIn(names, items), expr)) };
  if (expr.kind === "call" && expr.operation === "listItem") {
    return { ...items, expr: call("listSlice", expr.args[0]!, expr.args[1]!, integer(1)) };
  }
  return { ...items, expr: call("listOf", expr) };
}

function checkUnionType(path: string, first: LoweredColumn, column: LoweredColumn): void {
  if (isUntyped(first) || isUntyped(column)) return;
  const declared =
    first.model.type !== undefined &&
    column.model.type !== undefined &&
    first.model.type !== column.model.type;
  if (!declared && sameType(first.type, column.type)) return;
  const { name } = column.model;
  throw viewError(
    "union-types",
    path,
    `Column '${name}' is ${column.fhirType ?? "untyped"} here and ${first.fhirType ?? "untyped"} in the first branch.`,
  );
}

/** An always empty column without a declared type fits any other. */
function isUntyped(column: LoweredColumn): boolean {
  return column.fhirType === undefined && column.expr.kind === "null";
}

function typedNull(column: LoweredColumn, as: LoweredColumn): Expr {
  return isUntyped(column) ? nullOf(as.type) : column.expr;
}

/** Checks names and resource type, which need no expression. */
export function checkNames(definitions: Definitions, view: ViewModel): void {
  if (!definitions.resourceTypes.has(view.resource)) {
    const hint = didYouMean(view.resource, definitions.resourceTypes);
    throw viewError(
      "unknown-resource",
      "resource",
      `FHIR ${definitions.version} has no resource '${view.resource}'.${hint}`,
    );
  }
  for (const select of view.selects) columnNames(select, new Map());
  collect(view.selects);
}

function collect(selects: readonly SelectModel[]): void {
  const seen = new Map<string, string>();
  for (const select of selects) {
    for (const [name, path] of columnNames(select, new Map())) {
      if (seen.has(name)) duplicate(name, path);
      seen.set(name, path);
    }
  }
}

/** Names below a select, each once; branches of a union share their names. */
function columnNames(select: SelectModel, names: Map<string, string>): Map<string, string> {
  const add = (name: string, path: string): void => {
    if (names.has(name)) duplicate(name, path);
    names.set(name, path);
  };
  // SQL does not tell names apart by case.
  for (const column of select.columns) add(column.name.toLowerCase(), `${column.path}.name`);
  for (const nested of select.selects)
    for (const [name, path] of columnNames(nested, new Map())) add(name, path);
  const union = new Map<string, string>();
  for (const branch of select.unionAll ?? []) {
    for (const [name, path] of columnNames(branch, new Map())) union.set(name, path);
  }
  for (const [name, path] of union) add(name, path);
  return names;
}

function duplicate(name: string, path: string): never {
  throw viewError(
    "duplicate-column",
    path,
    `The column '${name}' is defined twice; give one of them another name.`,
  );
}
