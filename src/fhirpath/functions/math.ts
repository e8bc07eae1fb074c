import { call, cast, type Expr, INTEGER, integer, NUMBER, type Operation } from "#plan";
import { type Collection, isEmpty, itemOf, single } from "../collection.js";
import { asList, EMPTY, familyOfAll, narrow, plain, singleton, toNumber } from "../convert.js";
import { COMPUTED_DECIMAL, isNumeric } from "../family.js";
import { integerArgument } from "./arguments.js";
import { type FunctionTable, fn, type Invocation } from "./signature.js";

/** The only number of the input; undefined when it is certainly empty. Errors: `fhirpath/wrong-type`. */
function numberInput(invocation: Invocation): Collection | undefined {
  const { analysis, input, ast } = invocation;
  if (isEmpty(input)) return undefined;
  const one = narrow(analysis, singleton(analysis, input, `${ast.name}()`), isNumeric);
  if (isEmpty(one)) {
    analysis.fail(
      "wrong-type",
      `${ast.name}() needs a number, not ${input.variants.map((v) => v.type).join(" or ")}.`,
      ast.nameSpan,
    );
  }
  return one;
}

function numberArgument(invocation: Invocation, position: number): Expr | undefined {
  const { analysis, args, scope, ast } = invocation;
  const value = analysis.analyze(args[position]!, scope);
  if (isEmpty(value)) return undefined;
  const one = narrow(analysis, singleton(analysis, value, `${ast.name}()`), isNumeric);
  if (isEmpty(one))
    analysis.fail(
      "wrong-type",
      `Argument ${position + 1} of ${ast.name}() must be a number.`,
      args[position]!.span,
    );
  return toNumber(one);
}

function toDecimal(operation: Operation) {
  return fn(0, 0, (invocation) => {
    const value = numberInput(invocation);
    return value === undefined ? EMPTY : single(COMPUTED_DECIMAL, call(operation, toNumber(value)));
  });
}

/** Functions whose result is a whole number. */
function toInteger(operation: Operation) {
  return fn(0, 0, (invocation) => {
    const value = numberInput(invocation);
    if (value === undefined) return EMPTY;
    return single("integer", cast(call(operation, toNumber(value)), INTEGER));
  });
}

function absolute(invocation: Invocation): Collection {
  const value = numberInput(invocation);
  if (value === undefined) return EMPTY;
  const result = call("absolute", toNumber(value));
  return familyOfAll(invocation.analysis, value) === "integer"
    ? single("integer", cast(result, INTEGER))
    : single(COMPUTED_DECIMAL, result);
}

function withNumber(operation: Operation) {
  return fn(1, 1, (invocation) => {
    const value = numberInput(invocation);
    const argument = numberArgument(invocation, 0);
    if (value === undefined || argument === undefined) return EMPTY;
    return single(COMPUTED_DECIMAL, call(operation, toNumber(value), argument));
  });
}

function round(invocation: Invocation): Collection {
  const value = numberInput(invocation);
  const digits = invocation.args.length === 0 ? integer(0) : integerArgument(invocation, 0);
  if (value === undefined || digits === undefined) return EMPTY;
  return single(COMPUTED_DECIMAL, call("round", toNumber(value), digits));
}

/** sum, min, max and avg over a collection of numbers; nothing for no items. */
function aggregate(make: (numbers: Expr) => Expr) {
  return fn(0, 0, ({ analysis, input, ast }) => {
    if (isEmpty(input)) return EMPTY;
    const numbers = narrow(analysis, input, isNumeric);
    if (isEmpty(numbers)) analysis.fail("wrong-type", `${ast.name}() needs numbers.`, ast.nameSpan);
    const items = asList(analysis, plain(analysis, numbers));
    const variable = analysis.names.variable();
    const body = toNumber(itemOf(items, { kind: "variable", name: variable }));
    return single(COMPUTED_DECIMAL, make({ kind: "transform", list: items.expr, variable, body }));
  });
}

/** FHIRPath 5.7, math, and the aggregates of FHIRPath 7 that need no `$total`. */
export const MATH: FunctionTable = {
  abs: fn(0, 0, absolute),
  ceiling: toInteger("ceiling"),
  floor: toInteger("floor"),
  truncate: toInteger("truncate"),
  exp: toDecimal("exponential"),
  ln: toDecimal("naturalLogarithm"),
  sqrt: toDecimal("squareRoot"),
  log: withNumber("logarithm"),
  power: withNumber("power"),
  round: fn(0, 1, round),
  sum: aggregate((numbers) => call("listSum", numbers)),
  min: aggregate((numbers) => call("listMinimum", numbers)),
  max: aggregate((numbers) => call("listMaximum", numbers)),
  avg: aggregate((numbers) =>
    call("divide", call("listSum", numbers), cast(call("listLength", numbers), NUMBER)),
  ),
};
