import { allOf, call, choose, type Expr } from "#plan";
import type { Ast } from "../ast.js";
import { type Collection, isEmpty, itemOf, mapItems, single } from "../collection.js";
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
  if (!input.many) return whereOne(invocation, ast, input);
  const variable = names.variable();
  const index = names.variable();
  const body = criterion(invocation, ast, itemOf(input, { kind: "variable", name: variable }), {
    kind: "variable",
    name: index,
  });
  const { siblings, constant, ...rest } = input;
  return { ...rest, expr: { kind: "filter", list: input.expr, variable, index, body } };
}

function whereOne(invocation: Invocation, ast: Ast, input: Collection): Collection {
  const zero: Expr = { kind: "literal", value: 0, type: { kind: "scalar", type: "integer" } };
  const test = criterion(invocation, ast, input, zero);
  if (input.expr.kind === "row") {
    const guard = call("isTrue", input.guard === undefined ? test : allOf([input.guard, test]));
    return { ...input, guard };
  }
  const { siblings, ...rest } = input;
  return { ...rest, expr: choose(test, input.expr) };
}

/** The projection of every item, joined in order; `$this` is the item and `$index` its position. */
export function select(invocation: Invocation, ast: Ast, input: Collection): Collection {
  const { analysis, scope } = invocation;
  if (isEmpty(input)) return EMPTY;
  const zero: Expr = { kind: "literal", value: 0, type: { kind: "scalar", type: "integer" } };
  return mapItems(analysis.names, input, (item) =>
    analysis.analyze(ast, { ...scope, focus: item, index: zero }),
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
