import { boolean, call, choose, type Expr, integer } from "#plan";
import {
  type Collection,
  compact,
  countOf,
  existsIn,
  isEmpty,
  itemOf,
  mayBeValueless,
  positional,
  single,
  valuelessIn,
} from "../collection.js";
import { isMember } from "../compare.js";
import { asList, familyOfAll, plain, truth } from "../convert.js";
import { criterion, readsSiblings, where } from "./arguments.js";
import { distinctItems } from "./combining.js";
import { type FunctionTable, fn, type Invocation } from "./signature.js";

function exists(invocation: Invocation): Collection {
  const { analysis, input, args } = invocation;
  const found = args.length === 0 ? input : where(invocation, args[0]!, input);
  return single("boolean", existsIn(analysis.names, found));
}

function empty(invocation: Invocation): Collection {
  return single("boolean", call("not", existsIn(invocation.analysis.names, invocation.input)));
}

/** all(criteria): true for no items; an item for which the criterion is empty makes it false. */
function all(invocation: Invocation): Collection {
  const { analysis, input, args } = invocation;
  if (isEmpty(input)) return single("boolean", boolean(true));
  const elements = readsSiblings(args[0]!) ? input.elements?.() : undefined;
  const items = compact(analysis.names, elements ?? input);
  if (!items.many) {
    const test = criterion(invocation, args[0]!, items, integer(0));
    return single("boolean", choose(existsIn(analysis.names, items), call("isTrue", test), boolean(true)));
  }
  const variable = analysis.names.variable();
  const index = analysis.names.variable();
  const body = criterion(invocation, args[0]!, itemOf(items, { kind: "variable", name: variable }), {
    kind: "variable",
    name: index,
  });
  return single("boolean", call("listAll", { kind: "transform", list: items.expr, variable, index, body }));
}

/** allTrue, anyTrue, allFalse, anyFalse over a collection of booleans. */
function booleans(invocation: Invocation, every: boolean, wanted: boolean): Collection {
  const { analysis, input, ast } = invocation;
  if (isEmpty(input)) return single("boolean", boolean(every));
  if (familyOfAll(analysis, input) !== "boolean") {
    analysis.fail("wrong-type", `${ast.name}() needs booleans.`, ast.nameSpan);
  }
  const items = asList(analysis, plain(analysis, input));
  const variable = analysis.names.variable();
  const item: Expr = { kind: "variable", name: variable };
  const body = wanted ? item : call("not", item);
  const tests: Expr = { kind: "transform", list: items.expr, variable, body };
  return single("boolean", call(every ? "listAll" : "listAny", tests));
}

function subsetOf(invocation: Invocation, reverse: boolean): Collection {
  const { analysis, input, args, scope, ast } = invocation;
  const other = analysis.analyze(args[0]!, scope);
  const [part, whole] = reverse ? [other, input] : [input, other];
  if (isEmpty(part)) return single("boolean", boolean(true));
  const items = asList(analysis, plain(analysis, part));
  const variable = analysis.names.variable();
  const item = itemOf(items, { kind: "variable", name: variable });
  const body = isMember(analysis, item, whole, ast.nameSpan, ast);
  const members = call("listAll", { kind: "transform", list: items.expr, variable, body });
  if (!mayBeValueless(part)) return single("boolean", members);
  return single("boolean", choose(valuelessIn(analysis.names, part), boolean(false), members));
}

function isDistinct(invocation: Invocation): Collection {
  const { analysis, input } = invocation;
  if (isEmpty(input) || !input.many) return single("boolean", boolean(true));
  const all = countOf(analysis.names, input);
  const different = countOf(analysis.names, distinctItems(analysis, input));
  return single("boolean", call("equal", all, different));
}

/** not(): three-valued. */
function not(invocation: Invocation): Collection {
  return single("boolean", call("not", truth(invocation.analysis, invocation.input, "not()")));
}

/** FHIRPath 5.1, existence, and not() of 6.5. */
export const EXISTENCE: FunctionTable = {
  empty: fn(0, 0, empty),
  exists: fn(0, 1, exists),
  all: fn(1, 1, all),
  allTrue: fn(0, 0, (invocation) => booleans(invocation, true, true)),
  anyTrue: fn(0, 0, (invocation) => booleans(invocation, false, true)),
  allFalse: fn(0, 0, (invocation) => booleans(invocation, true, false)),
  anyFalse: fn(0, 0, (invocation) => booleans(invocation, false, false)),
  subsetOf: fn(1, 1, (invocation) => subsetOf(invocation, false)),
  supersetOf: fn(1, 1, (invocation) => subsetOf(invocation, true)),
  count: fn(0, 0, ({ analysis, input }) => single("integer", countOf(analysis.names, positional(input)))),
  distinct: fn(0, 0, ({ analysis, input }) => distinctItems(analysis, input)),
  isDistinct: fn(0, 0, isDistinct),
  not: fn(0, 0, not),
};
