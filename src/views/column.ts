import type { Definitions } from "#fhir";
import {
  analyze,
  COMPUTED_DECIMAL,
  type Collection,
  caret,
  compact,
  type Environment,
  familyOf,
  isEmpty,
  isResource,
  onlyItem,
  plainCollection,
  resolveTypeName,
  type Scope,
} from "#fhirpath";
import { didYouMean } from "#kernel";
import { call, cast, type DataType, type Expr, listOf, nullOf, sameType, TEXT } from "#plan";
import { defaultType, systemToFhir, taggedType } from "./column-type.js";
import { at, type CompileWarning, viewError } from "./errors.js";
import type { ColumnModel } from "./model.js";

/** A column ready for a plan. */
export interface LoweredColumn {
  readonly model: ColumnModel;
  readonly expr: Expr;
  readonly type: DataType;
  /** FHIR type of the values: declared, else inferred, else unknown. */
  readonly fhirType: string | undefined;
  /** True for a column that is `%rowIndex` itself, which stays 0 where forEachOrNull finds nothing. */
  readonly isRowIndex: boolean;
}

function checkDeclared(definitions: Definitions, column: ColumnModel): string | undefined {
  if (column.type === undefined) return undefined;
  const type = resolveTypeName(definitions, column.type);
  if (type !== undefined || /^https?:/.test(column.type)) return systemToFhir(column.type);
  const hint = didYouMean(column.type, definitions.type("Extension")?.elements.get("value")?.types ?? []);
  throw viewError("unsupported-type", `${column.path}.type`, `There is no type '${column.type}'.${hint}`);
}

/** The FHIR type that all items share, or undefined. */
function inferredType(collection: Collection): string | undefined {
  const types = new Set(collection.variants.map((variant) => systemToFhir(variant.type)));
  return types.size === 1 ? [...types][0] : undefined;
}

/** One item as what leaves the statement: primitives as values, structures as JSON text. */
function outputItem(definitions: Definitions, collection: Collection, item: Expr): Expr {
  const values = collection.variants.map((variant): Expr => {
    const value = variant.pick(item);
    if (variant.type === COMPUTED_DECIMAL) return call("numberText", value);
    const family = familyOf(definitions, variant.type);
    if (family === "complex" || family === "quantity") {
      if (variant.usage !== undefined) variant.usage.json ??= "item";
      return cast(call("toJson", value.kind === "field" ? { ...value, raw: true } : value), TEXT);
    }
    return collection.variants.length > 1 &&
      (family === "boolean" || family === "integer" || family === "long")
      ? call("text", value)
      : value;
  });
  return values.length === 1 ? values[0]! : call("coalesce", ...values);
}

function mapped(environment: Environment, collection: Collection): Collection {
  const variable = environment.names.variable();
  const item: Expr = { kind: "variable", name: variable };
  const body = outputItem(environment.definitions, collection, item);
  if (body === item) return collection;
  return { ...collection, expr: { kind: "transform", list: collection.expr, variable, body } };
}

/** The column's value: a list for collections, else the only item; several items stop the statement. */
function columnValue(environment: Environment, column: ColumnModel, collection: Collection): Expr {
  if (!collection.many) {
    const value = outputItem(environment.definitions, collection, collection.expr);
    return column.collection ? call("listOf", value) : value;
  }
  if (column.collection)
    return call("listConcatenate", mapped(environment, compact(environment.names, collection)).expr);
  const failure: Expr = { kind: "fail", code: "multiple-values", subject: column.name };
  return outputItem(environment.definitions, collection, onlyItem(environment, collection, failure));
}

/** The physical type of the value before any conversion to the column's type. */
function valueType(definitions: Definitions, collection: Collection): DataType {
  return collection.variants.length === 1 ? defaultType(definitions, collection.variants[0]!.type) : TEXT;
}

function converted(column: ColumnModel, value: Expr, from: DataType, to: DataType): Expr {
  if (sameType(from, to)) return value;
  return cast(value, column.collection ? listOf(to) : to);
}

/** Whether values of one scalar type can become another without loss that the view did not ask for. */
function compatible(from: DataType, to: DataType): boolean {
  if (sameType(from, to)) return true;
  if (from.kind !== "scalar" || to.kind !== "scalar") return false;
  if (to.type === "text") return true;
  return from.type === "integer" && to.type === "bigint";
}

/**
 * Lowers a column at a focus. The type is that of the `ansi/type` tag, else of the declared FHIR type, else inferred. A declared type
 * that cannot hold the path's values gives the warning `view/type-mismatch` and the inferred type is used.
 */
export function lowerColumn(
  environment: Environment,
  column: ColumnModel,
  scope: Scope,
  warnings: CompileWarning[],
): LoweredColumn {
  const { definitions } = environment;
  const { expression } = column;
  const tagged = taggedType(column);
  const declared = checkDeclared(definitions, column);
  const result = at(expression.path, () => analyze(environment, expression.ast, expression.text, scope));
  for (const warning of result.warnings) warnings.push(located(warning, expression.path, expression.text));
  const isRowIndex = expression.ast.kind === "constant" && expression.ast.name === "rowIndex";
  if (isEmpty(result.collection)) {
    const type = tagged ?? defaultType(definitions, declared);
    const expr = column.collection ? emptyList(type) : nullOf(type);
    return {
      model: column,
      expr,
      type: column.collection ? listOf(type) : type,
      fhirType: declared,
      isRowIndex,
    };
  }
  if (isResource(result.collection, result.collection.expr)) {
    throw viewError(
      "unsupported-type",
      expression.path,
      "A column cannot hold a whole resource; name an element of it.",
      expression.text,
    );
  }
  const collection = plainCollection(environment, expression.text, result.collection);
  const from = valueType(definitions, collection);
  const inferred = inferredType(collection);
  let to = tagged ?? defaultType(definitions, declared ?? inferred);
  let fhirType = declared ?? inferred;
  if (tagged === undefined && !compatible(from, to)) {
    warnings.push({
      code: "view/type-mismatch",
      path: `${column.path}.type`,
      message: `${column.path}.type: The column is declared as ${declared}, but its path gives ${inferred ?? "several types"}.`,
    });
    to = from;
    fhirType = inferred;
  }
  const expr = converted(column, columnValue(environment, column, collection), from, to);
  return { model: column, expr, type: column.collection ? listOf(to) : to, fhirType, isRowIndex };
}

function emptyList(type: DataType): Expr {
  return call("listConcatenate", nullOf(listOf(type)));
}

/** A FHIRPath warning at the JSON path of its expression. */
export function located(
  warning: {
    readonly code: string;
    readonly message: string;
    readonly span: { readonly start: number; readonly end: number };
  },
  path: string,
  text: string,
): CompileWarning {
  return {
    code: warning.code,
    path,
    message: `${path}: ${warning.message}`,
    details: { expression: text, span: warning.span, caret: caret(text, warning.span) },
  };
}
