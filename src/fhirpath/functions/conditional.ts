import { boolean, call, choose, createUsage, type Expr, integer } from "#plan";
import {
  bare,
  type Collection,
  isEmpty,
  itemOf,
  itemPresent,
  list,
  restrict,
  single,
  transform,
  type Variant,
} from "../collection.js";
import { EMPTY, familyOfAll, plain, toText, truth } from "../convert.js";
import { COMPUTED_DECIMAL, type Family, isNumeric } from "../family.js";
import type { Analysis } from "../scope.js";
import { fn, type Invocation } from "./signature.js";

/** The collection where the test is true, else nothing. */
function where(collection: Collection, test: Expr): Collection {
  if (!collection.many) return restrict(collection, test);
  return { ...bare(collection), expr: choose(test, collection.expr) };
}

/** Numbers of any kind as written decimals. */
function asDecimals(analysis: Analysis, numbers: Collection): Collection {
  const items = plain(analysis, numbers);
  const textOf = (item: Expr): Expr => toText(analysis, itemOf(items, item));
  return items.many
    ? list("decimal", transform(analysis.names, items.expr, textOf), items.sparse)
    : single("decimal", textOf(items.expr));
}

/** One result where both have one type and one form; undefined where they have not. */
function alike(
  analysis: Analysis,
  test: Expr,
  first: Collection,
  second: Collection,
): Collection | undefined {
  const [f, g] = [familyOfAll(analysis, first), familyOfAll(analysis, second)];
  if (first.many !== second.many || [f, g].includes("mixed")) return undefined;
  const numbers = isNumeric(f as Family) && isNumeric(g as Family);
  if (numbers && (f === "decimal" || f !== g)) {
    const [a, b] = [asDecimals(analysis, first), asDecimals(analysis, second)];
    return { ...bare(a), expr: choose(test, a.expr, b.expr), sparse: a.sparse || b.sparse };
  }
  if (f !== g) return undefined;
  const [a, b] = [plain(analysis, first), plain(analysis, second)];
  const [x, y] = [a.variants[0]!, b.variants[0]!];
  // Structures reached in different ways have different fields.
  if ((f === "complex" || f === "quantity") && (x.type !== y.type || x.usage !== y.usage)) return undefined;
  return { ...bare(a), expr: choose(test, a.expr, b.expr), sparse: a.sparse || b.sparse };
}

/** A variant of one result under the name that its value has in the items of the whole. */
interface Named {
  readonly name: string;
  readonly variant: Variant;
}

/** Written decimals and computed ones are told apart by their type; in a result they stand as text alike. */
function fieldValue(variant: Variant, item: Expr): Expr {
  const value = variant.pick(item);
  return variant.type === COMPUTED_DECIMAL ? call("numberText", value) : value;
}

function named(collection: Collection, side: string): Named[] {
  return collection.variants.map((variant, i) => ({ name: `${side}${i}`, variant }));
}

/** The variant in a struct that has a field for each variant of both results. */
function inStruct({ name, variant }: Named): Variant {
  const type = variant.type === COMPUTED_DECIMAL ? "decimal" : variant.type;
  const usage = variant.usage ?? createUsage(type, false);
  const single = usage.list ? { ...usage, list: false } : usage;
  return { type, usage, pick: (item) => ({ kind: "field", base: item, name, usage: single }) };
}

/** The items of one result as structs; fields of the other one are NULL of their type. */
function asStructs(
  analysis: Analysis,
  own: Collection,
  mine: Named[],
  other: Collection,
  theirs: Named[],
): Expr {
  const absent = (variant: Variant): Expr => {
    const item = other.many ? call("listItem", other.expr, integer(0)) : other.expr;
    return choose(boolean(false), fieldValue(variant, item));
  };
  const struct = (item: Expr): Expr => {
    const values = new Map<string, Expr>();
    for (const { name, variant } of mine) values.set(name, fieldValue(variant, item));
    for (const { name, variant } of theirs) values.set(name, absent(variant));
    return { kind: "struct", fields: [...values].sort(([a], [b]) => (a < b ? -1 : 1)) };
  };
  if (own.many) return transform(analysis.names, own.expr, struct);
  return call("listOf", choose(itemPresent(own, own.expr), struct(own.expr)));
}

/** Results of different types or forms: every item is a struct with one field per type, of which one is there. */
function unlike(analysis: Analysis, test: Expr, first: Collection, second: Collection): Collection {
  const [a, b] = [named(first, "a"), named(second, "b")];
  const variants = [...a, ...b].map(inStruct);
  if (first.many || second.many) {
    const expr = choose(
      test,
      asStructs(analysis, first, a, second, b),
      asStructs(analysis, second, b, first, a),
    );
    return { expr, many: true, sparse: true, variants };
  }
  const otherwise = call("not", call("isTrue", test));
  const fields = [
    ...a.map(({ name, variant }) => [name, choose(test, fieldValue(variant, first.expr))] as const),
    ...b.map(({ name, variant }) => [name, choose(otherwise, fieldValue(variant, second.expr))] as const),
  ];
  return { expr: { kind: "struct", fields }, many: false, sparse: false, variants };
}

/** iif(criterion, then, otherwise): only the chosen result counts. */
function iif(invocation: Invocation): Collection {
  const { analysis, input, args, scope, ast } = invocation;
  const own = ast.target === undefined ? scope : { ...scope, focus: input };
  const test = truth(analysis, analysis.analyze(args[0]!, own), "iif()");
  const then = analysis.analyze(args[1]!, own);
  const otherwise = args.length > 2 ? analysis.analyze(args[2]!, own) : EMPTY;
  if (isEmpty(then) && isEmpty(otherwise)) return EMPTY;
  if (isEmpty(otherwise)) return where(then, test);
  if (isEmpty(then)) return where(otherwise, call("not", call("isTrue", test)));
  return alike(analysis, test, then, otherwise) ?? unlike(analysis, test, then, otherwise);
}

/** FHIRPath 5.5, iif. */
export const CONDITIONAL = { iif: fn(2, 3, iif) };
