import type { Definitions, Shape } from "#fhir";
import {
  children,
  type Expr,
  type NamedExpr,
  type Plan,
  type Relation,
  type SystemColumn,
  TEXT,
} from "#plan";
import { KEY_OUTPUT, type ViewSource } from "../source.js";
import { asList, type ExpressionScope, ExpressionWriter } from "./expression.js";
import { indented, keptRows, type Level, selectText } from "./level.js";
import { identifier } from "./quote.js";
import { repeatedNodes } from "./repeat.js";
import { conform, isNull, known, nullValue, type Value } from "./value.js";

/** Stands for the source's text until the statement is laid out, so that laying out cannot touch it. */
const RELATION = "\0relation\0";

type Needs = ReadonlySet<string>;

const SYSTEM_NAMES: Readonly<Record<SystemColumn, string>> = { key: "#key", id: "#id", source: "#source" };

/** Names under which columns travel through nested SELECTs. FHIR and view names never start with `#`. */
function carriedName(key: string): string {
  const [kind, name] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
  return kind === "system" ? SYSTEM_NAMES[name as SystemColumn] : name;
}

function keyOf(expr: Expr): string | undefined {
  if (expr.kind === "column") return `column:${expr.name}`;
  if (expr.kind === "system") return `system:${expr.name}`;
  if (expr.kind === "field" && expr.base.kind === "row") return `source:${expr.name}`;
  return undefined;
}

function addNeeds(expr: Expr, into: Set<string>): void {
  const key = keyOf(expr);
  if (key !== undefined) into.add(key);
  for (const child of children(expr)) addNeeds(child, into);
}

function needsOf(exprs: Iterable<Expr>, base: Iterable<string> = []): Set<string> {
  const needs = new Set(base);
  for (const expr of exprs) addNeeds(expr, needs);
  return needs;
}

function without(needs: Needs, names: readonly (string | undefined)[]): Set<string> {
  const rest = new Set(needs);
  for (const name of names) if (name !== undefined) rest.delete(`column:${name}`);
  return rest;
}

/** Writes a plan as one DuckDB statement over one source. */
export class RelationWriter {
  private readonly definitions: Definitions;
  private readonly source: ViewSource;
  private readonly fields: ReadonlyMap<string, Shape>;
  /** WITH clauses of shared inputs, in order of definition. */
  private readonly shared: string[] = [];
  private readonly sharedLevels = new Map<string, Level>();
  private aliases = 0;

  constructor(definitions: Definitions, source: ViewSource) {
    this.definitions = definitions;
    this.source = source;
    this.fields = source.shape.kind === "struct" ? source.shape.fields : new Map();
  }

  write(plan: Plan): string {
    const needs = needsOf(
      plan.columns.map((column) => column.expr),
      ["system:key"],
    );
    const level = this.level(plan.relation, needs);
    const writer = this.writer(level);
    const items = [`${level.columns.get("system:key")!.sql} AS ${identifier(KEY_OUTPUT)}`];
    for (const { name, expr, type } of plan.columns) {
      items.push(`${conform(writer.write(expr), type).sql} AS ${identifier(name)}`);
    }
    const rows = selectText(level, items);
    const text = plan.check === undefined ? rows : `${rows}\nUNION ALL\n${this.checking(plan, plan.check)}`;
    const whole = this.shared.length === 0 ? text : `WITH ${this.shared.join(",\n")}\n${text}`;
    return whole.replaceAll(RELATION, () => this.source.relation);
  }

  /**
   * A SELECT without rows that evaluates the check for every resource. The engine must not see that no row can come of it, nor that rows
   * elsewhere are dropped before the check.
   */
  private checking(plan: Plan, check: Expr): string {
    const level = this.scan(needsOf([check], ["system:key"]));
    const tested = `coalesce(CAST(${this.writer(level).write(check).sql} AS VARCHAR), '') = '#'`;
    const nothing = plan.columns.map(({ name, type }) => `${nullValue(type).sql} AS ${identifier(name)}`);
    const key = `${level.columns.get("system:key")!.sql} AS ${identifier(KEY_OUTPUT)}`;
    return selectText({ ...level, where: [tested] }, [key, ...nothing]);
  }

  private writer(level: Level): ExpressionWriter {
    const column = (key: string): Value => level.columns.get(key)!;
    const scope: ExpressionScope = {
      definitions: this.definitions,
      property: (name) => level.columns.get(`source:${name}`),
      system: (name) => column(`system:${name}`),
      column: (name) => column(`column:${name}`),
    };
    return new ExpressionWriter(scope);
  }

  /** The rows of a relation as a SELECT under construction that offers all needed columns. */
  private level(relation: Relation, needs: Needs): Level {
    switch (relation.kind) {
      case "scan":
        return this.scan(needs);
      case "shared":
        return this.sharedLevels.get(relation.name)!;
      case "filter": {
        const level = this.level(relation.input, needsOf([relation.predicate], needs));
        const predicate = this.writer(level).write(relation.predicate);
        return predicate.constant === true ? level : { ...level, where: [...level.where, predicate.sql] };
      }
      case "extend":
        return this.extend(relation, needs);
      case "unnest":
        return this.unnest(relation, needs);
      case "repeat":
        return this.repeat(relation, needs);
      case "union":
        return this.union(relation, needs);
    }
  }

  private scan(needs: Needs): Level {
    const columns = new Map<string, Value>();
    const systemColumns: Readonly<Record<SystemColumn, string>> = {
      key: this.source.keyColumn,
      id: this.source.idColumn,
      source: this.source.sourceColumn,
    };
    for (const key of needs) {
      const name = key.slice(key.indexOf(":") + 1);
      if (key.startsWith("system:")) {
        columns.set(key, { sql: identifier(systemColumns[name as SystemColumn]), type: TEXT });
      } else if (key.startsWith("source:")) {
        const shape = this.fields.get(name);
        if (shape !== undefined) columns.set(key, { sql: identifier(name), type: shape });
      }
    }
    return { from: RELATION, where: [], columns };
  }

  /** Columns that pass through a level, as items of its SELECT list. */
  private carried(level: Level, needs: Needs): { items: string[]; columns: Map<string, Value> } {
    const items: string[] = [];
    const columns = new Map<string, Value>();
    for (const key of needs) {
      const value = level.columns.get(key);
      if (value === undefined) continue;
      const name = identifier(carriedName(key));
      if (isNull(value)) {
        columns.set(key, value);
      } else {
        items.push(value.sql === name ? name : `${value.sql} AS ${name}`);
        columns.set(key, { sql: name, type: value.type });
      }
    }
    return { items, columns };
  }

  private closed(level: Level, items: readonly string[], columns: ReadonlyMap<string, Value>): Level {
    return { from: `${indented(selectText(level, items))} AS ${this.alias()}`, where: [], columns };
  }

  private alias(): string {
    return `t${++this.aliases}`;
  }

  private extend(relation: Relation & { readonly kind: "extend" }, needs: Needs): Level {
    const wanted = relation.columns.filter(({ name }) => needs.has(`column:${name}`));
    const below = without(
      needs,
      wanted.map(({ name }) => name),
    );
    const level = this.level(
      relation.input,
      needsOf(
        wanted.map(({ expr }) => expr),
        below,
      ),
    );
    const { items, columns } = this.carried(level, below);
    this.compute(level, wanted, items, columns);
    return this.closed(level, items, columns);
  }

  private compute(
    level: Level,
    columns: readonly NamedExpr[],
    items: string[],
    into: Map<string, Value>,
  ): void {
    const writer = this.writer(level);
    for (const { name, expr } of columns) {
      const value = writer.write(expr);
      if (isNull(value)) {
        into.set(`column:${name}`, value);
        continue;
      }
      items.push(`${value.sql} AS ${identifier(name)}`);
      into.set(`column:${name}`, { sql: identifier(name), type: value.type });
    }
  }

  private unnest(relation: Relation & { readonly kind: "unnest" }, needs: Needs): Level {
    const { list, item, index, keepEmpty } = relation;
    const below = without(needs, [item, index]);
    const used = [list, ...(keepEmpty === undefined ? [] : [keepEmpty])];
    const level = this.level(relation.input, needsOf(used, below));
    const writer = this.writer(level);
    const value = asList(writer.write(list));
    const keep = keepEmpty === undefined ? known(false) : writer.write(keepEmpty);
    const { items, columns } = this.carried(level, below);
    const wantsItem = needs.has(`column:${item}`);
    const wantsIndex = index !== undefined && needs.has(`column:${index}`);
    const itemType = value.type.kind === "list" ? value.type.item : value.type;
    if (isNull(value)) {
      // Nothing to unnest: a row either stays with a NULL item or goes.
      columns.set(`column:${item}`, nullValue(itemType));
      if (index !== undefined)
        columns.set(`column:${index}`, { sql: "0", type: { kind: "scalar", type: "bigint" } });
      const conditional = {
        ...level,
        where: keep.constant === true ? level.where : [...level.where, keep.sql],
      };
      return this.closed(conditional, items, columns);
    }
    if (wantsItem || !wantsIndex)
      items.push(`unnest(${keptRows(value.sql, keep, "NULL")}) AS ${identifier(item)}`);
    columns.set(`column:${item}`, { sql: identifier(item), type: itemType });
    if (wantsIndex) {
      items.push(
        `unnest(${keptRows(value.sql, keep, "0", `range(len(${value.sql}))`)}) AS ${identifier(index)}`,
      );
      columns.set(`column:${index}`, { sql: identifier(index), type: { kind: "scalar", type: "bigint" } });
    }
    return this.closed(level, items, columns);
  }

  private repeat(relation: Relation & { readonly kind: "repeat" }, needs: Needs): Level {
    const { start, step, item, index, keepEmpty } = relation;
    const below = without(needs, [item, index]);
    addStepNeeds(step, item, below);
    const used = [start, ...(keepEmpty === undefined ? [] : [keepEmpty])];
    const level = this.level(relation.input, needsOf(used, below));
    const writer = this.writer(level);
    const value = asList(writer.write(start));
    const keep = keepEmpty === undefined ? known(false) : writer.write(keepEmpty);
    const { items, columns } = this.carried(level, below);
    const itemType = value.type.kind === "list" ? value.type.item : value.type;
    const wantsIndex = index !== undefined && needs.has(`column:${index}`);
    if (isNull(value)) {
      columns.set(`column:${item}`, nullValue(itemType));
      if (index !== undefined)
        columns.set(`column:${index}`, { sql: "0", type: { kind: "scalar", type: "bigint" } });
      const conditional = {
        ...level,
        where: keep.constant === true ? level.where : [...level.where, keep.sql],
      };
      return this.closed(conditional, items, columns);
    }
    // Whether an empty row stays is known where the repeat starts, and asked for where it ends.
    const kept = keep.constant === undefined ? { ...keep, sql: identifier(`${item}?`) } : keep;
    const extra = keep.constant === undefined ? [`${keep.sql} AS ${kept.sql}`] : [];
    const nodes = repeatedNodes({
      level,
      items: [...items, ...extra],
      columns: kept === keep ? columns : new Map(columns).set(`column:${item}?`, kept),
      start: value,
      item,
      children: (node) => this.childrenOf(step, item, { sql: node, type: itemType }, columns),
      alias: () => this.alias(),
      indexed: wantsIndex,
    });
    const passed = nodes.items.filter((passedItem) => passedItem !== kept.sql);
    const unnested = [...passed, `unnest(${keptRows(nodes.list, kept, "NULL")}) AS ${identifier(item)}`];
    const result = new Map(columns).set(`column:${item}`, { sql: identifier(item), type: itemType });
    if (wantsIndex) {
      unnested.push(`unnest(${keptRows(nodes.list, kept, "0", nodes.ranks)}) AS ${identifier(index)}`);
      result.set(`column:${index}`, { sql: identifier(index), type: { kind: "scalar", type: "bigint" } });
    }
    return this.closed(nodes.level, unnested, result);
  }

  /** A repeat's step for one node, which may read what the row carries. */
  private childrenOf(step: Expr, item: string, node: Value, columns: ReadonlyMap<string, Value>): string {
    const level: Level = { from: "", where: [], columns: new Map(columns).set(`column:${item}`, node) };
    return this.writer(level).write(step).sql;
  }

  private union(relation: Relation & { readonly kind: "union" }, needs: Needs): Level {
    const names = relation.branches[0]!.columns.map(({ name }) => name);
    const below = without(needs, names);
    const branchNeeds = relation.branches.map((branch) =>
      needsOf(
        branch.columns.filter(({ name }) => needs.has(`column:${name}`)).map(({ expr }) => expr),
        below,
      ),
    );
    const inputNeeds = new Set(
      relation.branches.flatMap((branch, i) => [...this.inputNeeds(branch.relation, branchNeeds[i]!)]),
    );
    const input = this.level(relation.input, inputNeeds);
    const { items, columns } = this.carried(input, inputNeeds);
    const shared = this.alias();
    this.shared.push(`${shared} AS NOT MATERIALIZED ${indented(selectText(input, items))}`);
    this.sharedLevels.set(relation.name, { from: shared, where: [], columns });
    const result = new Map<string, Value>();
    const selects = relation.branches.map((branch, i) => {
      const level = this.level(branch.relation, branchNeeds[i]!);
      const carried = this.carried(level, below);
      const wanted = branch.columns.filter(({ name }) => needs.has(`column:${name}`));
      const own = new Map<string, Value>();
      const writer = this.writer(level);
      for (const { name, expr, type } of wanted) {
        // The engine would widen the whole column where one branch counts in 64 bits and another writes a literal.
        const value = conform(writer.write(expr), type);
        carried.items.push(`${value.sql} AS ${identifier(name)}`);
        own.set(`column:${name}`, { sql: identifier(name), type: value.type });
      }
      for (const [key, value] of [...carried.columns, ...own]) if (!result.has(key)) result.set(key, value);
      return selectText(level, carried.items);
    });
    return {
      from: `${indented(selects.join("\nUNION ALL\n"))} AS ${this.alias()}`,
      where: [],
      columns: result,
    };
  }

  /** Columns that a branch needs of the rows it shares. */
  private inputNeeds(relation: Relation, needs: Needs): Set<string> {
    switch (relation.kind) {
      case "scan":
      case "shared":
        return new Set(needs);
      case "filter":
        return this.inputNeeds(relation.input, needsOf([relation.predicate], needs));
      case "extend": {
        const wanted = relation.columns.filter(({ name }) => needs.has(`column:${name}`));
        return this.inputNeeds(
          relation.input,
          needsOf(
            wanted.map(({ expr }) => expr),
            without(
              needs,
              wanted.map(({ name }) => name),
            ),
          ),
        );
      }
      case "unnest":
      case "repeat": {
        const start = relation.kind === "unnest" ? relation.list : relation.start;
        const used = [start, ...(relation.keepEmpty === undefined ? [] : [relation.keepEmpty])];
        const below = without(needs, [relation.item, relation.index]);
        if (relation.kind === "repeat") addStepNeeds(relation.step, relation.item, below);
        return this.inputNeeds(relation.input, needsOf(used, below));
      }
      case "union": {
        const below = without(
          needs,
          relation.branches[0]!.columns.map(({ name }) => name),
        );
        const all = relation.branches.flatMap((branch) => {
          const wanted = branch.columns
            .filter(({ name }) => needs.has(`column:${name}`))
            .map(({ expr }) => expr);
          return [...this.inputNeeds(branch.relation, needsOf(wanted, below))];
        });
        return this.inputNeeds(relation.input, new Set(all));
      }
    }
  }
}

/** What a repeat's step reads beside the node itself must be carried through all rounds. */
function addStepNeeds(step: Expr, item: string, needs: Set<string>): void {
  addNeeds(step, needs);
  needs.delete(`column:${item}`);
}
