import { type Expr, integer } from "#plan";
import type { Ast } from "../ast.js";
import {
  bare,
  type Collection,
  compact,
  isEmpty,
  itemOf,
  mapItems,
  restrict,
  single,
} from "../collection.js";
import { EMPTY, familyOfAll, plain, singleton, toText, truth } from "../convert.js";
import type { Invocation } from "./signature.js";

/** The only value of an argument that is a string; undefined when the argument is certainly empty. */
export function textArgument(invocation: Invocation, position: number): Expr | undefined {
  return valueArgument(invocation, position, "string", "a string");
}

/** The only value of an argument that is an integer; undefined when the argument is certainly empty. */
export function integerArgument(invocation: Invocation, position: number): Expr | undefined {
  return valueArgument(invocation, position, "integer", "an integer");
}

function valueArgument(
  invocation: Invocation,
  position: number,
  family: string,
  what: string,
): Expr | undefined {
  const { analysis, scope, ast } = invocation;
  const arg = invocation.args[position]!;
  const value = analysis.analyze(arg, scope);
  if (isEmpty(value)) return undefined;
  if (familyOfAll(analysis, value) !== family) {
    analysis.fail("wrong-type", `Argument ${position + 1} of ${ast.name}() must be ${what}.`, arg.span);
  }
  return plain(analysis, singleton(analysis, value, `${ast.name}()`)).expr;
}

/** The text of an argument that must be a literal or a constant of the view. */
export function constantArgument(invocation: Invocation, position: number): string {
  const { analysis, scope, ast } = invocation;
  const arg = invocation.args[position]!;
  const value = analysis.analyze(arg, scope);
  if (value.constant === undefined) {
    return analysis.fail(
      "wrong-arguments",
      `Argument ${position + 1} of ${ast.name}() must be a literal or a constant.`,
      arg.span,
    );
  }
  return value.constant;
}

/** The input as one string value; undefined when it is certainly empty. Numbers, dates and the like count as their text. */
export function textInput(invocation: Invocation): Expr | undefined {
  const { analysis, input, ast } = invocation;
  if (isEmpty(input)) return undefined;
  const one = plain(analysis, singleton(analysis, input, `${ast.name}()`));
  if (familyOfAll(analysis, one) === "complex" || familyOfAll(analysis, one) === "quantity") {
    analysis.fail(
      "wrong-type",
      `${ast.name}() needs a string, not ${input.variants.map((v) => v.type).join(" or ")}.`,
      ast.nameSpan,
    );
  }
  return toText(analysis, one);
}

/** Evaluates a criterion on one item: true, false or NULL. `$this` is the item and `$index` its position. */
export function criterion(invocation: Invocation, ast: Ast, item: Collection, index: Expr): Expr {
  const { analysis, scope } = invocation;
  const value = analysis.analyze(ast, { ...scope, focus: item, index });
  return truth(analysis, value, invocation.ast.name);
}

/** The items of the input for which a criterion is true. */
export function where(invocation: Invocation, ast: Ast, input: Collection): Collection {
  const { names } = invocation.analysis;
  if (isEmpty(input)) return EMPTY;
  if (input.elements !== undefined && readsSiblings(ast)) return where(invocation, ast, input.elements());
  if (!input.many) return whereOne(invocation, ast, input);
  const variable = names.variable();
  const index = names.variable();
  // Positions count items only, so gaps have to go before $index is used.
  const source = input.sparse && usesIndex(ast) ? compact(names, input) : input;
  const body = criterion(invocation, ast, itemOf(source, { kind: "variable", name: variable }), {
    kind: "variable",
    name: index,
  });
  const kept: Collection = {
    ...bare(source),
    expr: { kind: "filter", list: source.expr, variable, index, body },
  };
  const { elements } = input;
  return elements === undefined ? kept : { ...kept, elements: () => where(invocation, ast, elements()) };
}

function whereOne(invocation: Invocation, ast: Ast, input: Collection): Collection {
  return restrict(input, criterion(invocation, ast, input, integer(0)));
}

/** True when a part of an expression, or the whole, passes a test. */
function someAst(ast: Ast, test: (part: Ast) => boolean): boolean {
  if (test(ast)) return true;
  switch (ast.kind) {
    case "member":
      return ast.target !== undefined && someAst(ast.target, test);
    case "call":
      return (
        (ast.target !== undefined && someAst(ast.target, test)) || ast.args.some((arg) => someAst(arg, test))
      );
    case "index":
      return someAst(ast.target, test) || someAst(ast.index, test);
    case "sign":
    case "type":
      return someAst(ast.operand, test);
    case "binary":
      return someAst(ast.left, test) || someAst(ast.right, test);
    default:
      return false;
  }
}

/** True when `$index` occurs in an expression. */
function usesIndex(ast: Ast): boolean {
  return someAst(ast, (part) => part.kind === "variable" && part.name === "index");
}

/** True when an expression may read what stands beside a primitive: its id, its extensions, or whether it has a value at all. */
export function readsSiblings(ast: Ast): boolean {
  const names = ["extension", "id", "hasValue"];
  return someAst(
    ast,
    (part) => (part.kind === "member" || part.kind === "call") && names.includes(part.name),
  );
}

/** The projection of every item, joined in order; `$this` is the item and `$index` its position. */
export function select(invocation: Invocation, ast: Ast, input: Collection): Collection {
  const { analysis, scope } = invocation;
  if (isEmpty(input)) return EMPTY;
  if (input.elements !== undefined && readsSiblings(ast)) return select(invocation, ast, input.elements());
  const source = input.sparse && usesIndex(ast) ? compact(analysis.names, input) : input;
  return mapItems(analysis.names, source, (item, index) =>
    analysis.analyze(ast, { ...scope, focus: item, index }),
  );
}

/** A function that maps one string to a value of a type. */
export function ofText(
  type: string,
  apply: (value: Expr, invocation: Invocation) => Expr | undefined,
): (invocation: Invocation) => Collection {
  return (invocation) => {
    const value = textInput(invocation);
    const result = value === undefined ? undefined : apply(value, invocation);
    return result === undefined ? EMPTY : single(type, result);
  };
}
