import { didYouMean } from "#kernel";
import { BOOLEAN, call, children, type Expr, integer, nullOf } from "#plan";
import { arithmetic, concatenation, signed } from "./arithmetic.js";
import type { Ast } from "./ast.js";
import {
  type Collection,
  collapse,
  compact,
  isEmpty,
  itemOf,
  positional,
  restrict,
  single,
} from "./collection.js";
import { equals, equivalent, isMember, ordering } from "./compare.js";
import { EMPTY, familyOfAll, plain, singleton, truth } from "./convert.js";
import { type FhirPathProblem, fhirPathError, type Span } from "./errors.js";
import { unionOf } from "./functions/combining.js";
import { callFunction } from "./functions/registry.js";
import { constantCollection, literal } from "./literal.js";
import { navigate } from "./navigate.js";
import type { Analysis, Environment, Scope, Warning } from "./scope.js";
import { asType, isOfType, typeNamed } from "./type-test.js";

/** Constants that every FHIRPath environment has. */
const WELL_KNOWN: ReadonlyMap<string, string> = new Map([
  ["ucum", "http://unitsofmeasure.org"],
  ["sct", "http://snomed.info/sct"],
  ["loinc", "http://loinc.org"],
]);

class ExpressionAnalysis implements Analysis {
  readonly environment: Environment;
  readonly text: string;
  private readonly warnings: Warning[];

  constructor(environment: Environment, text: string, warnings: Warning[]) {
    this.environment = environment;
    this.text = text;
    this.warnings = warnings;
  }

  get definitions() {
    return this.environment.definitions;
  }

  get names() {
    return this.environment.names;
  }

  warn(code: string, message: string, span: Span): void {
    this.warnings.push({ code, message, span });
  }

  fail(problem: FhirPathProblem, message: string, span: Span): never {
    throw fhirPathError(problem, message, this.text, span);
  }

  analyze(ast: Ast, scope: Scope): Collection {
    switch (ast.kind) {
      case "literal":
        return literal(this, ast);
      case "constant":
        return this.constant(ast.name, scope, ast.span);
      case "variable":
        return this.variable(ast.name, scope, ast.span);
      case "member":
        return this.member(ast, scope);
      case "call":
        return callFunction(
          this,
          ast,
          ast.target === undefined ? scope.focus : this.analyze(ast.target, scope),
          scope,
        );
      case "index":
        return this.item(
          this.analyze(ast.target, scope),
          this.analyze(ast.index, { ...scope, focus: scope.focus }),
          ast,
        );
      case "sign":
        return signed(this, ast.operator, this.analyze(ast.operand, scope), ast.span);
      case "type": {
        const operand = this.analyze(ast.operand, scope);
        const type = typeNamed(this, ast.typeName, ast.typeSpan);
        return ast.operator === "is"
          ? single("boolean", isOfType(this, operand, type))
          : asType(this, operand, type);
      }
      case "binary":
        return this.binary(ast, scope);
    }
  }

  private constant(name: string, scope: Scope, span: Span): Collection {
    const own = this.environment.constants.get(name);
    if (own !== undefined) return constantCollection(this, own);
    const known = WELL_KNOWN.get(name);
    if (known !== undefined) return constantCollection(this, { type: "string", text: known });
    switch (name) {
      case "rowIndex":
        return single("integer", scope.rowIndex);
      case "resource":
      case "rootResource":
        return this.environment.resource;
      case "context":
        return scope.context;
    }
    const names = [
      ...this.environment.constants.keys(),
      ...WELL_KNOWN.keys(),
      "rowIndex",
      "resource",
      "context",
    ];
    const hint = didYouMean(name, names);
    return this.fail("unknown-constant", `The view defines no constant '%${name}'.${hint}`, span);
  }

  private variable(name: "this" | "index" | "total", scope: Scope, span: Span): Collection {
    if (name === "this") return scope.focus;
    if (name === "index" && scope.index !== undefined) return single("integer", scope.index);
    if (name === "total") return this.fail("unsupported", "aggregate() and $total are not supported.", span);
    return this.fail(
      "wrong-arguments",
      "$index only has a meaning inside where, select, all and exists.",
      span,
    );
  }

  private member(ast: Ast & { readonly kind: "member" }, scope: Scope): Collection {
    if (ast.target !== undefined)
      return navigate(this, this.analyze(ast.target, scope), ast.name, ast.nameSpan);
    // A path may start with the type of its focus: `Patient.name`.
    const isFocusType =
      /^[A-Z]/.test(ast.name) && scope.focus.variants.some((variant) => variant.type === ast.name);
    return isFocusType ? scope.focus : navigate(this, scope.focus, ast.name, ast.nameSpan);
  }

  private item(target: Collection, index: Collection, ast: Ast & { readonly kind: "index" }): Collection {
    if (isEmpty(target) || isEmpty(index)) return EMPTY;
    if (familyOfAll(this, index) !== "integer")
      this.fail("wrong-type", "An index must be an integer.", ast.index.span);
    const position = plain(this, singleton(this, index, "[]")).expr;
    if (target.many) {
      const items = compact(this.names, positional(target));
      return itemOf(items, call("listItem", items.expr, position));
    }
    if (position.kind === "literal" && position.value === 0) return target;
    return restrict(target, call("equal", position, integer(0)));
  }

  /** The operands of a chain such as `a or b or c`, which may be long: its left side is not followed by recursion. */
  private chain(ast: Ast & { readonly kind: "binary" }, scope: Scope): readonly Collection[] {
    const operands: Ast[] = [ast.right];
    let left = ast.left;
    while (left.kind === "binary" && left.operator === ast.operator) {
      operands.push(left.right);
      left = left.left;
    }
    operands.push(left);
    return operands.reverse().map((operand) => this.analyze(operand, scope));
  }

  private binary(ast: Ast & { readonly kind: "binary" }, scope: Scope): Collection {
    if (ast.operator === "|") return unionOf(this, this.chain(ast, scope), ast.operatorSpan);
    if (ast.operator === "and" || ast.operator === "or") {
      const operator = ast.operator;
      const conditions = this.chain(ast, scope).map((operand) => truth(this, operand, operator));
      return single("boolean", call(operator, ...conditions));
    }
    const left = this.analyze(ast.left, scope);
    const right = this.analyze(ast.right, scope);
    const { operator, operatorSpan: span } = ast;
    switch (operator) {
      case "+":
      case "-":
      case "*":
      case "/":
      case "div":
      case "mod":
        return arithmetic(this, operator, left, right, span);
      case "&":
        return concatenation(this, left, right, span);
      case "<":
      case "<=":
      case ">":
      case ">=":
        return ordering(this, operator, left, right, span);
      case "=":
        return single("boolean", equals(this, left, right, span));
      case "!=":
        return single("boolean", call("not", equals(this, left, right, span)));
      case "~":
        return single("boolean", equivalent(this, left, right, span));
      case "!~":
        return single("boolean", call("not", equivalent(this, left, right, span)));
      case "in":
        return single("boolean", isMember(this, left, right, span, ast));
      case "contains":
        return single("boolean", isMember(this, right, left, span, ast));
      case "xor":
      case "implies":
        return this.logic(operator, left, right);
    }
  }

  private logic(operator: "xor" | "implies", left: Collection, right: Collection): Collection {
    const a = truth(this, left, operator);
    const b = truth(this, right, operator);
    const result = operator === "xor" ? call("not", call("equal", a, b)) : call("or", call("not", a), b);
    return single("boolean", result);
  }
}

/** The result of analysing one expression. */
export interface AnalyzedExpression {
  readonly collection: Collection;
  readonly warnings: readonly Warning[];
}

/**
 * Types an expression against the FHIR definitions and turns it into a plan expression over the focus of `scope`.
 * Warnings: `fhirpath/unknown-element`. Errors: `fhirpath/…` with span and caret.
 */
export function analyze(environment: Environment, ast: Ast, text: string, scope: Scope): AnalyzedExpression {
  const warnings: Warning[] = [];
  const analysis = new ExpressionAnalysis(environment, text, warnings);
  const collection = analysis.analyze(ast, scope);
  if (usesRowAsValue(collection.expr)) {
    analysis.fail(
      "unsupported",
      "The resource itself cannot be used as a value here; name an element of it.",
      ast.span,
    );
  }
  return { collection, warnings };
}

/** True when the whole resource stands where a value must: it is only good for reading its elements. */
function usesRowAsValue(expr: Expr): boolean {
  if (expr.kind === "row") return false;
  return children(expr).some((child) =>
    child.kind === "row" ? expr.kind !== "field" : usesRowAsValue(child),
  );
}

/** The expression as a value per row, several variants made one. Used for columns. */
export function plainCollection(environment: Environment, text: string, collection: Collection): Collection {
  const analysis = new ExpressionAnalysis(environment, text, []);
  if (isEmpty(collection)) return collection;
  const family = familyOfAll(analysis, collection);
  if (family !== "mixed")
    return collection.variants.length === 1
      ? collapse(environment.names, collection)
      : plain(analysis, collection);
  return collection;
}

/** The predicate of a view-level `where`: its value must be boolean, nothing else counts as true. */
export function predicate(environment: Environment, text: string, collection: Collection): Expr {
  const analysis = new ExpressionAnalysis(environment, text, []);
  if (isEmpty(collection)) return nullOf(BOOLEAN);
  const family = familyOfAll(analysis, collection);
  if (family !== "boolean") {
    analysis.fail(
      "wrong-type",
      "A where path must be boolean; add .exists() to test for presence, or compare the value.",
      { start: 0, end: text.length },
    );
  }
  return plain(analysis, singleton(analysis, collection, "where")).expr;
}
