import { BOOLEAN, boolean, call, choose, type Expr, integer, nullOf } from "#plan";
import type { Ast } from "./ast.js";
import { type Collection, existsIn, filter, isEmpty, itemOf, self, single } from "./collection.js";
import { asList, EMPTY, familiesOf, narrow, singleton } from "./convert.js";
import type { Span } from "./errors.js";
import { type Family, isCalendar, isNumeric } from "./family.js";
import { navigate } from "./navigate.js";
import type { Analysis } from "./scope.js";
import { compareTemporal, isCalendarText, quantityParts } from "./temporal.js";

/** Families whose values can be compared with values of `family`. */
function comparable(family: Family): (other: Family) => boolean {
  if (isNumeric(family)) return isNumeric;
  if (isCalendar(family)) return isCalendar;
  return (other) => other === family;
}

/** A string constant beside a date is read as a date, when it has that form. */
function asTemporalConstant(analysis: Analysis, a: Collection, b: Collection): Collection {
  if (a.constant === undefined || a.variants[0]?.type !== "string") return a;
  const families = familiesOf(analysis, b);
  if (families.some(isCalendar) && !families.includes("string") && isCalendarText(a.constant)) {
    return { ...a, variants: [{ ...a.variants[0], type: "dateTime" }] };
  }
  return a;
}

/** Both operands narrowed to families that compare with each other; undefined when there is none. */
function align(
  analysis: Analysis,
  left: Collection,
  right: Collection,
): [Collection, Collection, Family] | undefined {
  const a = asTemporalConstant(analysis, left, right);
  const b = asTemporalConstant(analysis, right, left);
  const families = familiesOf(analysis, b);
  const common = familiesOf(analysis, a).find((family) => families.some(comparable(family)));
  if (common === undefined) return undefined;
  const accepts = comparable(common);
  return [narrow(analysis, a, accepts), narrow(analysis, b, accepts), common];
}

function bothIntegers(a: Collection, b: Collection, analysis: Analysis): boolean {
  const whole = (c: Collection): boolean =>
    familiesOf(analysis, c).every((f) => f === "integer" || f === "long");
  return whole(a) && whole(b);
}

function quantity(analysis: Analysis, item: Collection, span: Span): { value: Expr; unit: Expr } {
  return quantityParts(item, (name) => navigate(analysis, item, name, span).expr);
}

const NUMBER_COMPARISON = {
  equal: "equalNumber",
  less: "lessNumber",
  lessOrEqual: "lessOrEqualNumber",
} as const;

/** Compares two single values of one family: `equal`, `less` or `lessOrEqual`. NULL when either is empty or the answer is open. */
function compareValues(
  analysis: Analysis,
  operation: "equal" | "less" | "lessOrEqual",
  a: Collection,
  b: Collection,
  family: Family,
  span: Span,
): Expr {
  if (isNumeric(family)) {
    if (bothIntegers(a, b, analysis)) return call(operation, a.expr, b.expr);
    return call(NUMBER_COMPARISON[operation], a.expr, b.expr);
  }
  if (isCalendar(family) || family === "time")
    return call(operation, compareTemporal(family, a.expr, b.expr), integer(0));
  if (family === "quantity") {
    const [p, q] = [quantity(analysis, a, span), quantity(analysis, b, span)];
    const compared = call(NUMBER_COMPARISON[operation], p.value, q.value);
    // Different units may still be the same amount; without unit conversion the answer stays open.
    return choose(call("equal", p.unit, q.unit), compared);
  }
  if (family === "complex") return call(operation, wholeText(a), wholeText(b));
  return call(operation, a.expr, b.expr);
}

/** A structured value as JSON text. */
export function wholeText(item: Collection): Expr {
  for (const variant of item.variants) if (variant.usage !== undefined) variant.usage.json ??= "item";
  return call("toJson", item.expr);
}

/** An item as something that equality of lists can compare: structures as text. */
function comparableItems(analysis: Analysis, items: Collection, family: Family): Expr {
  const convert = (body: (item: Collection) => Expr): Expr => {
    const variable = analysis.names.variable();
    return {
      kind: "transform",
      list: items.expr,
      variable,
      body: body(itemOf(items, { kind: "variable", name: variable })),
    };
  };
  if (family === "complex" || family === "quantity") return convert(wholeText);
  return items.expr;
}

function equalLists(analysis: Analysis, a: Collection, b: Collection, family: Family, span: Span): Expr {
  const [as, bs] = [asList(analysis, a), asList(analysis, b)];
  const length = (list: Collection): Expr => call("listLength", list.expr);
  let equal: Expr;
  if (isCalendar(family) || family === "time" || isNumeric(family)) {
    const [variable, index] = [analysis.names.variable(), analysis.names.variable()];
    const other = call("listItem", bs.expr, { kind: "variable", name: index });
    const body = compareValues(
      analysis,
      "equal",
      itemOf(as, { kind: "variable", name: variable }),
      itemOf(bs, other),
      family,
      span,
    );
    equal = call("listAllKnown", { kind: "transform", list: as.expr, variable, index, body });
  } else {
    equal = call("listEqual", comparableItems(analysis, as, family), comparableItems(analysis, bs, family));
  }
  return {
    kind: "case",
    when: [
      [
        call("or", call("equal", length(as), integer(0)), call("equal", length(bs), integer(0))),
        nullOf(BOOLEAN),
      ],
      [call("not", call("equal", length(as), length(bs))), boolean(false)],
    ],
    otherwise: equal,
  };
}

/** One side is a list: it must hold exactly one item to equal the other side's item. */
function equalListAndItem(
  analysis: Analysis,
  list: Collection,
  item: Collection,
  family: Family,
  span: Span,
): Expr {
  const items = asList(analysis, list);
  const length = call("listLength", items.expr);
  const first = itemOf(items, call("listItem", items.expr, integer(0)));
  const nothing = call("or", call("equal", length, integer(0)), call("isNull", item.expr));
  return {
    kind: "case",
    when: [
      [nothing, nullOf(BOOLEAN)],
      [call("less", integer(1), length), boolean(false)],
    ],
    otherwise: compareValues(analysis, "equal", first, item, family, span),
  };
}

function present(analysis: Analysis, collection: Collection): Expr {
  const items = asList(analysis, collection);
  return call("less", integer(0), call("listLength", items.expr));
}

/** `=`: whole collections in order; empty when either side is empty. Values of families that do not compare are unequal. */
export function equals(analysis: Analysis, left: Collection, right: Collection, span: Span): Expr {
  if (isEmpty(left) || isEmpty(right)) return nullOf(BOOLEAN);
  const aligned = align(analysis, left, right);
  if (aligned === undefined) {
    return choose(call("and", present(analysis, left), present(analysis, right)), boolean(false));
  }
  const [a, b, family] = aligned;
  if (a.many && b.many) return equalLists(analysis, a, b, family, span);
  if (a.many) return equalListAndItem(analysis, a, b, family, span);
  if (b.many) return equalListAndItem(analysis, b, a, family, span);
  return compareValues(analysis, "equal", a, b, family, span);
}

/** `<`, `<=`, `>`, `>=` on single values. Errors: `fhirpath/wrong-type` when the types have no order. */
export function ordering(
  analysis: Analysis,
  operator: "<" | "<=" | ">" | ">=",
  left: Collection,
  right: Collection,
  span: Span,
): Collection {
  if (isEmpty(left) || isEmpty(right)) return EMPTY_BOOLEAN;
  const a = singleton(analysis, left, operator);
  const b = singleton(analysis, right, operator);
  const aligned = align(analysis, a, b);
  if (aligned === undefined || aligned[2] === "complex" || aligned[2] === "boolean") {
    const types = [left, right].map((side) => side.variants.map((v) => v.type).join(" or "));
    analysis.fail("wrong-type", `'${operator}' cannot compare ${types[0]} with ${types[1]}.`, span);
  }
  const [x, y, family] = aligned;
  const swapped = operator === ">" || operator === ">=";
  const operation = operator === "<" || operator === ">" ? "less" : "lessOrEqual";
  const expr = swapped
    ? compareValues(analysis, operation, y, x, family, span)
    : compareValues(analysis, operation, x, y, family, span);
  return single("boolean", expr);
}

const EMPTY_BOOLEAN: Collection = {
  ...EMPTY,
  expr: nullOf(BOOLEAN),
  variants: [{ type: "boolean", pick: self }],
};

/** Text in the form in which equivalence compares it: lower case, white space collapsed. */
function looseText(value: Expr): Expr {
  return call(
    "trim",
    call(
      "lower",
      call(
        "replaceMatches",
        value,
        { kind: "literal", value: "\\s+", type: { kind: "scalar", type: "text" } },
        { kind: "literal", value: " ", type: { kind: "scalar", type: "text" } },
      ),
    ),
  );
}

/** Whether two single values are equivalent, never NULL: text without regard to case and spacing, numbers to the lesser precision. */
function equivalentValues(
  analysis: Analysis,
  a: Collection,
  b: Collection,
  family: Family,
  span: Span,
): Expr {
  if (family === "string") return call("isTrue", call("equal", looseText(a.expr), looseText(b.expr)));
  if (isNumeric(family)) return call("isTrue", call("equivalentNumber", a.expr, b.expr));
  return call("isTrue", compareValues(analysis, "equal", a, b, family, span));
}

/** How many items of a list are equivalent to one. */
function countEquivalent(
  analysis: Analysis,
  items: Collection,
  item: Collection,
  family: Family,
  span: Span,
): Expr {
  const found = filter(analysis.names, items.expr, (other) =>
    equivalentValues(analysis, itemOf(items, other), item, family, span),
  );
  return call("listLength", found);
}

/** Lists are equivalent when each item has as many equivalents in one as in the other, in any order. */
function equivalentLists(
  analysis: Analysis,
  left: Collection,
  right: Collection,
  family: Family,
  span: Span,
): Expr {
  const [a, b] = [asList(analysis, left), asList(analysis, right)];
  const variable = analysis.names.variable();
  const item = itemOf(a, { kind: "variable", name: variable });
  const inBoth = [a, b].map((items) => countEquivalent(analysis, items, item, family, span));
  const matched: Expr = {
    kind: "transform",
    list: a.expr,
    variable,
    body: call("equal", inBoth[0]!, inBoth[1]!),
  };
  const sameLength = call("equal", call("listLength", a.expr), call("listLength", b.expr));
  return call("and", sameLength, call("listAll", matched));
}

/** `~`: never empty; an empty collection is equivalent to an empty one only, and order does not matter. */
export function equivalent(analysis: Analysis, left: Collection, right: Collection, span: Span): Expr {
  const absent = (side: Collection): Expr => call("not", existsIn(analysis.names, side));
  const bothAbsent = call("and", absent(left), absent(right));
  const aligned = isEmpty(left) || isEmpty(right) ? undefined : align(analysis, left, right);
  if (aligned === undefined) return bothAbsent;
  const [a, b, family] = aligned;
  const same =
    a.many || b.many
      ? call("and", present(analysis, a), equivalentLists(analysis, a, b, family, span))
      : equivalentValues(analysis, a, b, family, span);
  return call("or", bothAbsent, same);
}

/** Whether a list has an item equal to a single one: `in` and `contains`. */
export function isMember(
  analysis: Analysis,
  item: Collection,
  items: Collection,
  span: Span,
  ast: Ast,
): Expr {
  if (isEmpty(item)) return nullOf(BOOLEAN);
  const one = singleton(analysis, item, ast.kind === "binary" ? ast.operator : "in");
  if (isEmpty(items)) return choose(present(analysis, one), boolean(false));
  const aligned = align(analysis, one, items);
  if (aligned === undefined) return choose(present(analysis, one), boolean(false));
  const [wanted, source, family] = aligned;
  if (items.constants !== undefined) {
    const equal = items.constants.map((constant) => call("isTrue", equals(analysis, wanted, constant, span)));
    return choose(call("isNotNull", wanted.expr), call("or", ...equal));
  }
  const among = asList(analysis, source);
  const matches = filter(analysis.names, among.expr, (candidate) =>
    compareValues(analysis, "equal", itemOf(among, candidate), wanted, family, span),
  );
  return choose(call("isNotNull", wanted.expr), call("less", integer(0), call("listLength", matches)));
}
