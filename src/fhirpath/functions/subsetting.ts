import { call, type Expr, integer } from "#plan";
import { bare, type Collection, compact, isEmpty, itemOf, positional, restrict } from "../collection.js";
import { EMPTY, singleton } from "../convert.js";
import { ofType, typeArgument } from "../type-test.js";
import { integerArgument, select, where } from "./arguments.js";
import { type FunctionTable, fn, type Invocation } from "./signature.js";

function at(invocation: Invocation, position: (items: Collection) => Expr): Collection {
  const { analysis, input } = invocation;
  if (isEmpty(input) || !input.many) return input;
  const items = compact(analysis.names, positional(input));
  return itemOf(items, call("listItem", items.expr, position(items)));
}

function first(invocation: Invocation): Collection {
  return at(invocation, () => integer(0));
}

function last(invocation: Invocation): Collection {
  return at(invocation, (items) => call("subtractInteger", call("listLength", items.expr), integer(1)));
}

/** The items from `start` on, at most `count` of them. Negative numbers count as zero. */
function slice(invocation: Invocation, start: Expr, count?: Expr): Collection {
  const { analysis, input } = invocation;
  if (isEmpty(input)) return EMPTY;
  if (!input.many) {
    const inside = call("lessOrEqual", start, integer(0));
    const keep = count === undefined ? inside : call("and", inside, call("less", integer(0), count));
    return restrict(input, keep);
  }
  const items = compact(analysis.names, positional(input));
  return {
    ...bare(items),
    expr: call("listSlice", items.expr, start, ...(count === undefined ? [] : [count])),
  };
}

function skip(invocation: Invocation): Collection {
  const count = integerArgument(invocation, 0);
  return count === undefined ? EMPTY : slice(invocation, count);
}

function take(invocation: Invocation): Collection {
  const count = integerArgument(invocation, 0);
  return count === undefined ? EMPTY : slice(invocation, integer(0), count);
}

/** FHIRPath 5.2, filtering and projection, and 5.3, subsetting. */
export const SUBSETTING: FunctionTable = {
  where: fn(1, 1, (invocation) => where(invocation, invocation.args[0]!, invocation.input)),
  select: fn(1, 1, (invocation) => select(invocation, invocation.args[0]!, invocation.input)),
  ofType: fn(1, 1, ({ analysis, input, args }) => ofType(analysis, input, typeArgument(analysis, args[0]!))),
  single: fn(0, 0, ({ analysis, input }) => singleton(analysis, input, "single()")),
  first: fn(0, 0, first),
  last: fn(0, 0, last),
  tail: fn(0, 0, (invocation) => slice(invocation, integer(1))),
  skip: fn(1, 1, skip),
  take: fn(1, 1, take),
};
