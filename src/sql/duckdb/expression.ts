import type { Definitions, Shape } from "#fhir";
import { LakeError } from "#kernel";
import {
  BOOLEAN,
  contains,
  costOf,
  type DataType,
  type Expr,
  itemShape,
  JSON_TEXT,
  listOf,
  type SystemColumn,
  TEXT,
  type Usage,
  usageShape,
} from "#plan";
import { failure } from "./failure.js";
import { castTo, resultType, spell } from "./operations.js";
import { numberLiteral, stringLiteral } from "./quote.js";
import { typeName } from "./type-name.js";
import { conform, decodeJson, isNull, known, nullValue, type Value } from "./value.js";

/** What the names of an expression stand for at one SELECT level. */
export interface ExpressionScope {
  readonly definitions: Definitions;
  /** A top-level property of the resource, or undefined when the source lacks it. */
  property(name: string): Value | undefined;
  system(name: SystemColumn): Value;
  column(name: string): Value;
}

/** Far above what real views need, far below what strains the engine's parser. */
const MAX_EXPRESSION_SQL = 200_000;

/** Structs by which a plan reads JSON properties. */
function fieldOf(base: Value, name: string): Value | undefined {
  if (base.type.kind === "json") {
    return { sql: `json_extract(${base.sql}, ${stringLiteral(`$."${name}"`)})`, type: JSON_TEXT };
  }
  if (base.type.kind !== "struct") return undefined;
  const type = base.type.fields.get(name);
  return type === undefined
    ? undefined
    : { sql: `struct_extract(${base.sql}, ${stringLiteral(name)})`, type };
}

/** From this cost on, rows with an empty list are spared a lambda. */
const WORTH_GUARDING = 5;

/** Turns plan expressions into DuckDB SQL for one source. */
export class ExpressionWriter {
  private readonly scope: ExpressionScope;
  private readonly variables = new Map<string, Value>();

  constructor(scope: ExpressionScope) {
    this.scope = scope;
  }

  write(expr: Expr): Value {
    switch (expr.kind) {
      case "literal":
        return this.literal(expr);
      case "null":
        return nullValue(expr.type);
      case "row":
        throw new LakeError(
          "internal",
          "sql/row-as-value",
          "A whole resource cannot be used as a value here.",
        );
      case "system":
        return this.scope.system(expr.name);
      case "column":
        return this.scope.column(expr.name);
      case "variable":
        return this.variables.get(expr.name)!;
      case "field":
        return this.field(expr);
      case "conform":
        return this.conform(expr);
      case "call":
        return this.call(expr);
      case "transform":
      case "filter":
        return this.lambda(expr);
      case "case":
        return this.choice(expr);
      case "struct":
        return this.struct(expr);
      case "fail":
        return { sql: failure(expr.code, expr.subject), type: TEXT };
    }
  }

  private literal({ value, type }: Expr & { readonly kind: "literal" }): Value {
    if (typeof value === "boolean") return known(value);
    if (typeof value === "string") return { sql: stringLiteral(value), type };
    const sql = numberLiteral(value);
    return { sql: type.kind === "scalar" && type.type === "bigint" ? `CAST(${sql} AS BIGINT)` : sql, type };
  }

  /** Type of a property when the source lacks it, or has it as JSON and it must be decoded. */
  private needed(usage: Usage): Shape {
    const item = itemShape(this.scope.definitions, usage);
    return usage.list ? { kind: "list", item } : item;
  }

  private field(expr: Expr & { readonly kind: "field" }): Value {
    const { definitions } = this.scope;
    const base = expr.base.kind === "row" ? undefined : this.write(expr.base);
    const found =
      base === undefined
        ? this.scope.property(expr.name)
        : isNull(base)
          ? undefined
          : fieldOf(base, expr.name);
    if (found === undefined) return nullValue(expr.raw === true ? JSON_TEXT : this.needed(expr.usage));
    if (expr.raw === true) return found;
    if (found.type.kind === "json") return this.decodeField(found, expr.usage);
    const wanted = usageShape(definitions, expr.usage);
    return found.type.kind === "scalar" || wanted.kind === "scalar" ? conform(found, wanted) : found;
  }

  /** JSON stays JSON when nothing below it is read: it may be part of a type that contains itself. */
  private decodeField(found: Value, usage: Usage): Value {
    const primitive = this.scope.definitions.type(usage.type)?.kind === "primitive";
    const opaque = usage.children.size === 0 && usage.alsoUsedAs.length === 0;
    return opaque && !primitive ? found : decodeJson(found, this.needed(usage));
  }

  private conform(expr: Expr & { readonly kind: "conform" }): Value {
    const item = itemShape(this.scope.definitions, expr.usage);
    return conform(this.write(expr.base), expr.list ? { kind: "list", item } : item);
  }

  private call(expr: Expr & { readonly kind: "call" }): Value {
    const args = expr.args.map((arg) => this.write(arg));
    const first = args[0]!;
    switch (expr.operation) {
      case "and":
      case "or":
        return logic(expr.operation, args);
      case "isNull":
        if (isNull(first)) return known(true);
        break;
      case "isNotNull":
        if (isNull(first)) return known(false);
        break;
      case "isTrue":
        if (first.constant !== undefined) return known(first.constant === true);
        break;
      case "not":
        if (typeof first.constant === "boolean") return known(!first.constant);
        break;
      case "coalesce":
        return coalesce(args);
      case "listLength":
        if (isNull(first)) return { sql: "0", type: { kind: "scalar", type: "bigint" } };
        return spell("listLength", [asList(first)]);
      case "listOf":
        return isNull(first)
          ? { sql: `CAST([] AS ${typeName(listOf(first.type))})`, type: listOf(first.type) }
          : spell("listOf", args);
      case "listConcatenate":
        return concatenate(args);
      case "zipElements":
        return args.every(isNull) ? nullValue(resultType("zipElements", args)) : spell("zipElements", args);
      case "listAny":
      case "listAll":
        if (isNull(first)) return known(expr.operation === "listAll");
        break;
      case "toJson":
        return first.type.kind === "json" ? first : conform(first, JSON_TEXT);
      case "cast":
        return isNull(first) ? nullValue(expr.type!) : { sql: castTo(first, expr.type!), type: expr.type! };
      case "flatten":
        return flatten(first);
      case "equal":
      case "less":
      case "lessOrEqual": {
        const folded = foldComparison(expr.operation, args);
        if (folded !== undefined) return folded;
        break;
      }
      default:
        // Every other operation is spelled from its operands.
        break;
    }
    const lists = LIST_OPERATIONS.has(expr.operation) ? [asList(first), ...args.slice(1)] : args;
    if (lists.some(isNull)) return nullValue(resultType(expr.operation, lists));
    const value = spell(expr.operation, lists);
    if (value.sql.length > MAX_EXPRESSION_SQL) {
      // Some operations write an operand several times, so that nesting them makes SQL grow without measure.
      throw new LakeError(
        "unsupported",
        "view/too-complex",
        "An expression of the view grows too large in SQL; split it over several columns or nested selects.",
      );
    }
    return value;
  }

  private lambda(expr: Expr & { readonly kind: "transform" | "filter" }): Value {
    const list = asList(this.write(expr.list));
    const item = list.type.kind === "list" ? list.type.item : list.type;
    this.variables.set(expr.variable, { sql: expr.variable, type: item });
    if (expr.index !== undefined) {
      this.variables.set(expr.index, {
        sql: `(${expr.index} - 1)`,
        type: { kind: "scalar", type: "bigint" },
      });
    }
    const body = this.write(expr.body);
    this.variables.delete(expr.variable);
    const type = expr.kind === "transform" ? listOf(body.type) : list.type;
    if (isNull(list)) return nullValue(type);
    if (expr.kind === "filter" && body.constant === true) return list;
    const usesIndex =
      expr.index !== undefined && contains(expr.body, (e) => e.kind === "variable" && e.name === expr.index);
    const names = usesIndex ? `${expr.variable}, ${expr.index}` : expr.variable;
    const name = expr.kind === "transform" ? "list_transform" : "list_filter";
    if (expr.kind === "transform" && body.sql === expr.variable) return list;
    const sql = `${name}(${list.sql}, lambda ${names}: ${body.sql})`;
    // The engine sets up a lambda for every batch of rows, also when all their lists are empty.
    const guarded = costOf(expr.body) >= WORTH_GUARDING && !list.sql.includes("lambda");
    if (guarded) return { sql: `(CASE WHEN len(${list.sql}) > 0 THEN ${sql} END)`, type };
    return { sql, type };
  }

  private choice(expr: Expr & { readonly kind: "case" }): Value {
    const branches: [Value, Value][] = [];
    let otherwise = expr.otherwise === undefined ? undefined : this.write(expr.otherwise);
    for (const [test, then] of expr.when) {
      const condition = this.write(test);
      if (condition.constant === null || condition.constant === false) continue;
      const value = this.write(then);
      if (condition.constant === true) {
        otherwise = value;
        break;
      }
      branches.push([condition, value]);
    }
    const values = [...branches.map(([, value]) => value), ...(otherwise === undefined ? [] : [otherwise])];
    const results = values.filter((value) => !value.sql.startsWith("error("));
    const type = (results.find((value) => !isNull(value)) ?? results[0])?.type ?? this.typeOf(expr);
    if (branches.length === 0) return otherwise ?? nullValue(type);
    if (values.every(isNull)) return nullValue(type);
    const result = (value: Value): string => (isNull(value) ? nullValue(type).sql : value.sql);
    const when = branches.map(([condition, value]) => `WHEN ${condition.sql} THEN ${result(value)}`);
    const failing = values.some((value) => value.sql.startsWith("error("));
    const nothing = failing ? ` ELSE ${nullValue(type).sql}` : "";
    const last = otherwise === undefined || isNull(otherwise) ? nothing : ` ELSE ${otherwise.sql}`;
    return { sql: `(CASE ${when.join(" ")}${last} END)`, type };
  }

  /** Type of a choice none of whose branches can be taken. */
  private typeOf(expr: Expr & { readonly kind: "case" }): DataType {
    return this.write(expr.when[0]![1]).type;
  }

  private struct(expr: Expr & { readonly kind: "struct" }): Value {
    const fields = expr.fields.map(([name, value]) => [name, this.write(value)] as const);
    const type: DataType = {
      kind: "struct",
      fields: new Map(fields.map(([name, value]) => [name, value.type])),
    };
    return {
      sql: `{${fields.map(([name, value]) => `${stringLiteral(name)}: ${value.sql}`).join(", ")}}`,
      type,
    };
  }
}

const LIST_OPERATIONS: ReadonlySet<string> = new Set([
  "onlyItem",
  "listItem",
  "listSlice",
  "listDistinct",
  "listReverse",
]);

/** A list that a source keeps as JSON, split into its items. */
export function asList(value: Value): Value {
  return value.type.kind === "json" ? decodeJson(value, listOf(JSON_TEXT)) : value;
}

/** One list of lists; inner lists that the source keeps as JSON are split. */
function flatten(lists: Value): Value {
  const outer = asList(lists);
  const inner = outer.type.kind === "list" ? outer.type.item : outer.type;
  if (inner.kind === "json") {
    const type = listOf(JSON_TEXT);
    if (isNull(outer)) return nullValue(type);
    const split = decodeJson({ sql: "d", type: JSON_TEXT }, type);
    return { sql: `flatten(list_transform(${outer.sql}, lambda d: ${split.sql}))`, type };
  }
  return isNull(outer) ? nullValue(inner) : spell("flatten", [outer]);
}

/** Comparisons of written whole numbers, which appear where a list is known to be empty. */
function foldComparison(
  operation: "equal" | "less" | "lessOrEqual",
  args: readonly Value[],
): Value | undefined {
  const [a, b] = args.map((arg) => (/^\d+$/.test(arg.sql) ? Number(arg.sql) : undefined));
  if (a === undefined || b === undefined) return undefined;
  return known(operation === "equal" ? a === b : operation === "less" ? a < b : a <= b);
}

function logic(operation: "and" | "or", args: readonly Value[]): Value {
  const decisive = operation === "or";
  if (args.some((arg) => arg.constant === decisive)) return known(decisive);
  const open = args.filter((arg) => arg.constant !== !decisive);
  if (open.length === 0) return known(!decisive);
  if (open.every(isNull)) return nullValue(BOOLEAN);
  return open.length === 1 ? open[0]! : spell(operation, open);
}

function coalesce(args: readonly Value[]): Value {
  const present = args.filter((arg) => !isNull(arg));
  if (present.length === 0) return args[0]!;
  return present.length === 1 ? present[0]! : spell("coalesce", present);
}

function concatenate(args: readonly Value[]): Value {
  const present = args.filter((arg) => !isNull(arg));
  const type = args[0]!.type;
  if (present.length === 0) return { sql: `CAST([] AS ${typeName(type)})`, type };
  return present.length === 1
    ? { sql: `coalesce(${present[0]!.sql}, [])`, type }
    : spell("listConcatenate", present);
}
