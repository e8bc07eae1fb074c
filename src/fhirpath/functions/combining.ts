import { call, createUsage, type Expr, integer } from "#plan";
import {
  bare,
  type Collection,
  filter,
  isEmpty,
  isPlain,
  itemOf,
  mayBeValueless,
  places,
  self,
} from "../collection.js";
import { equals, isMember, wholeText } from "../compare.js";
import { asList, EMPTY, familiesOf, familyOfAll, familyType, plain, toNumber } from "../convert.js";
import type { Span } from "../errors.js";
import { COMPUTED_DECIMAL, isNumeric } from "../family.js";
import type { Analysis } from "../scope.js";
import { type FunctionTable, fn, type Invocation } from "./signature.js";

/** The items, each in its place: primitives without a value are NULL, and equal to nothing. */
function placed(analysis: Analysis, input: Collection): Collection {
  const items = plain(analysis, input);
  return { ...bare(items), expr: places(analysis.names, items), many: true, sparse: false };
}

/** `result` of `inputs`, and how its items without a value are found, where there can be any. */
function withPlaces(
  result: Collection,
  inputs: readonly Collection[],
  elements: () => Collection,
): Collection {
  return inputs.some(mayBeValueless) ? { ...result, elements } : result;
}

/** The items without those equal to an earlier one, in order. */
export function distinctItems(analysis: Analysis, input: Collection): Collection {
  if (isEmpty(input) || !input.many) return input;
  return withPlaces(distinctOf(analysis, input), [input], () =>
    distinctValues(analysis, placed(analysis, input)),
  );
}

function distinctOf(analysis: Analysis, input: Collection): Collection {
  const items = asList(analysis, plain(analysis, input));
  switch (familyOfAll(analysis, items)) {
    case "complex":
    case "quantity":
      return distinctStructures(analysis, items);
    case "boolean":
    case "string":
    case "integer":
    case "long":
      return { ...bare(items), expr: call("listDistinct", items.expr) };
    default:
      return distinctValues(analysis, items);
  }
}

/** Values that can be equal although they are written differently, such as 1.0 and 1.00: each is compared with those before it. */
function distinctValues(analysis: Analysis, items: Collection): Collection {
  const { names } = analysis;
  const [variable, index, other] = [names.variable(), names.variable(), names.variable()];
  const item: Expr = { kind: "variable", name: variable };
  const candidate: Expr = { kind: "variable", name: other };
  const earlier = call("listSlice", items.expr, integer(0), { kind: "variable", name: index });
  const same = equals(analysis, itemOf(items, candidate), itemOf(items, item), { start: 0, end: 0 });
  const repeated = call("listAny", { kind: "transform", list: earlier, variable: other, body: same });
  const expr: Expr = { kind: "filter", list: items.expr, variable, index, body: call("not", repeated) };
  return { ...bare(items), expr };
}

/** Structures are compared as JSON text; the first of each text stays. */
function distinctStructures(analysis: Analysis, items: Collection): Collection {
  const { names } = analysis;
  const texts = (): Expr => {
    const variable = names.variable();
    const body = wholeText(itemOf(items, { kind: "variable", name: variable }));
    return { kind: "transform", list: items.expr, variable, body };
  };
  const all = texts();
  const variable = names.variable();
  const index = names.variable();
  const own = wholeText(itemOf(items, { kind: "variable", name: variable }));
  const earlier = call(
    "listSlice",
    all,
    { kind: "literal", value: 0, type: { kind: "scalar", type: "integer" } },
    {
      kind: "variable",
      name: index,
    },
  );
  const body = call("not", call("isTrue", call("listContains", earlier, own)));
  return { ...bare(items), expr: { kind: "filter", list: items.expr, variable, index, body } };
}

/** Both collections as lists of one type, or undefined when their types have no common form. */
function unified(
  analysis: Analysis,
  left: Collection,
  right: Collection,
): [Collection, Collection] | undefined {
  const [a, b] = [asList(analysis, plain(analysis, left)), asList(analysis, plain(analysis, right))];
  const [x, y] = [a.variants[0]!, b.variants[0]!];
  const [f, g] = [familyOfAll(analysis, a), familyOfAll(analysis, b)];
  if (f === "none" || g === "none" || f === "mixed" || g === "mixed") return undefined;
  const mixedNumbers = isNumeric(f) && isNumeric(g) && (f !== g || x.type !== y.type);
  if (mixedNumbers && (f === "decimal" || g === "decimal")) {
    return [asNumbers(analysis, a), asNumbers(analysis, b)];
  }
  if (f === "complex" || f === "quantity" || g === "complex" || g === "quantity") {
    return x.type === y.type ? [a, b] : undefined;
  }
  return JSON.stringify(familyType(f)) === JSON.stringify(familyType(g)) &&
    (f === g || (isText(f) && isText(g)))
    ? [a, b]
    : undefined;
}

function isText(family: string): boolean {
  return family === "date" || family === "dateTime";
}

function asNumbers(analysis: Analysis, items: Collection): Collection {
  const variable = analysis.names.variable();
  const body = toNumber(itemOf(items, { kind: "variable", name: variable }));
  const variants = [{ type: COMPUTED_DECIMAL, pick: self }];
  return { ...items, variants, expr: { kind: "transform", list: items.expr, variable, body } };
}

function combine(
  analysis: Analysis,
  left: Collection,
  right: Collection,
  what: string,
  span: Span,
): Collection {
  if (isEmpty(left)) return right;
  if (isEmpty(right)) return left;
  const lists = unified(analysis, left, right);
  if (lists === undefined) {
    const types = [left, right].map((side) => side.variants.map((v) => v.type).join(" or "));
    analysis.fail(
      "unsupported",
      `${what} of ${types[0]} and ${types[1]} is not supported: the items need one type.`,
      span,
    );
  }
  return withPlaces(joined(analysis, lists), [left, right], () =>
    // Placed or not, items have the types that had a common form above.
    joined(analysis, unified(analysis, placed(analysis, left), placed(analysis, right))!),
  );
}

function joined(analysis: Analysis, [a, b]: readonly [Collection, Collection]): Collection {
  const structured = familiesOf(analysis, a).some((f) => f === "complex" || f === "quantity");
  const [x, y] =
    structured && a.variants[0]!.usage !== b.variants[0]!.usage
      ? [asJson(analysis, a), asJson(analysis, b)]
      : [a, b];
  // Long unions stay flat.
  const before = x.expr.kind === "call" && x.expr.operation === "listConcatenate" ? x.expr.args : [x.expr];
  return { ...bare(x), expr: call("listConcatenate", ...before, y.expr), sparse: false };
}

/** Structures as JSON: those of different paths have different fields, and one may even contain the other. */
function asJson(analysis: Analysis, items: Collection): Collection {
  const variable = analysis.names.variable();
  const body = wholeText(itemOf(items, { kind: "variable", name: variable }));
  const { type } = items.variants[0]!;
  const usage = createUsage(type, false);
  usage.json = "item";
  const variants = [{ type, usage, pick: self }];
  return { ...items, variants, expr: { kind: "transform", list: items.expr, variable, body } };
}

/** `|` and union(): the items of all operands without duplicates. */
export function unionOf(analysis: Analysis, operands: readonly Collection[], span: Span): Collection {
  const present = operands.filter((operand) => !isEmpty(operand));
  const [first, ...rest] = present;
  if (first === undefined) return EMPTY;
  const all = rest.reduce((left, right) => combine(analysis, left, right, "A union", span), first);
  const items = distinctItems(analysis, all);
  const constants = present.flatMap((operand) => (operand.constant === undefined ? [] : [operand]));
  // Membership in a list of constants is a chain of comparisons, which the engine runs far faster than a search in a list.
  return constants.length === operands.length ? { ...items, constants } : items;
}

/** intersect(other), exclude(other): items that are, or are not, in the other collection. */
function among(invocation: Invocation, keep: boolean): Collection {
  const { analysis, input, args, scope, ast } = invocation;
  if (isEmpty(input)) return EMPTY;
  const other = analysis.analyze(args[0]!, scope);
  const kept = (items: Collection): Collection => {
    const expr = filter(analysis.names, items.expr, (item) => {
      const member = call("isTrue", isMember(analysis, itemOf(items, item), other, ast.nameSpan, ast));
      return keep ? member : call("not", member);
    });
    return { ...bare(items), expr };
  };
  const found = kept(asList(analysis, isPlain(input) ? input : plain(analysis, input)));
  if (keep) return distinctItems(analysis, found);
  return withPlaces(found, [input], () => kept(placed(analysis, input)));
}

/** FHIRPath 5.3 intersect and exclude, and 5.4, combining. */
export const COMBINING: FunctionTable = {
  union: fn(1, 1, ({ analysis, input, args, scope, ast }) =>
    unionOf(analysis, [input, analysis.analyze(args[0]!, scope)], ast.nameSpan),
  ),
  combine: fn(1, 1, ({ analysis, input, args, scope, ast }) =>
    combine(analysis, input, analysis.analyze(args[0]!, scope), "combine()", ast.nameSpan),
  ),
  intersect: fn(1, 1, (invocation) => among(invocation, true)),
  exclude: fn(1, 1, (invocation) => among(invocation, false)),
};
