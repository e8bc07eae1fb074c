import { call, type Expr, NUMBER, nullOf, TEXT, text } from "#plan";
import { type Collection, isEmpty, single } from "./collection.js";
import { familyOfAll, narrow, plain, singleton, toNumber, toText } from "./convert.js";
import type { Span } from "./errors.js";
import { COMPUTED_DECIMAL, type Family, isCalendar, isNumeric } from "./family.js";
import type { Analysis } from "./scope.js";

const EMPTY_NUMBER: Collection = single(COMPUTED_DECIMAL, nullOf(NUMBER));

type Arithmetic = "+" | "-" | "*" | "/" | "div" | "mod";

const WHOLE = { "+": "addInteger", "-": "subtractInteger", "*": "multiplyInteger" } as const;
const EXACT = {
  "+": "add",
  "-": "subtract",
  "*": "multiply",
  "/": "divide",
  div: "integerDivide",
  mod: "modulo",
} as const;

/** An operand narrowed to what arithmetic can use: its only item of a family that fits. */
function operand(analysis: Analysis, collection: Collection, operator: string): Collection {
  const one = singleton(analysis, collection, operator);
  return familyOfAll(analysis, one) === "mixed" ? narrow(analysis, one, isNumeric) : plain(analysis, one);
}

function numeric(analysis: Analysis, operator: Arithmetic, a: Collection, b: Collection): Collection {
  const families = [familyOfAll(analysis, a), familyOfAll(analysis, b)];
  const whole = families.every((family) => family === "integer");
  if (whole && (operator === "+" || operator === "-" || operator === "*")) {
    return single("integer", call(WHOLE[operator], a.expr, b.expr));
  }
  const result = call(EXACT[operator], toNumber(a), toNumber(b));
  if (operator === "div" || (operator === "mod" && whole)) {
    return single("integer", {
      kind: "call",
      operation: "cast",
      args: [result],
      type: { kind: "scalar", type: "integer" },
    });
  }
  return single(COMPUTED_DECIMAL, result);
}

/** A date or time moved by a time-valued quantity literal such as `3 months`. */
function moved(
  analysis: Analysis,
  operator: "+" | "-",
  date: Collection,
  quantity: Collection,
  span: Span,
): Collection {
  if (quantity.expr.kind !== "struct") {
    analysis.fail("unsupported", "A date can only be moved by a written quantity such as 3 months.", span);
  }
  const parts = new Map(quantity.expr.fields);
  const amount = call("toNumber", parts.get("value")!);
  const expr = call(
    "addTemporal",
    date.expr,
    operator === "-" ? call("negate", amount) : amount,
    parts.get("unit")!,
  );
  return single(date.variants[0]!.type, expr);
}

function mismatch(
  analysis: Analysis,
  operator: string,
  left: Collection,
  right: Collection,
  span: Span,
): never {
  const types = [left, right].map((side) => side.variants.map((v) => v.type).join(" or "));
  return analysis.fail(
    "wrong-type",
    `'${operator}' cannot be used between ${types[0]} and ${types[1]}.`,
    span,
  );
}

/**
 * `+ - * / div mod` on single values: whole numbers stay whole except under `/`, everything else is exact decimal; `+` also joins
 * strings and moves dates. Empty when an operand is. Errors: `fhirpath/wrong-type`.
 */
export function arithmetic(
  analysis: Analysis,
  operator: Arithmetic,
  left: Collection,
  right: Collection,
  span: Span,
): Collection {
  if (isEmpty(left) || isEmpty(right)) return EMPTY_NUMBER;
  const a = operand(analysis, left, operator);
  const b = operand(analysis, right, operator);
  if (isEmpty(a) || isEmpty(b)) return EMPTY_NUMBER;
  const x = familyOfAll(analysis, a) as Family;
  const y = familyOfAll(analysis, b) as Family;
  if (isNumeric(x) && isNumeric(y)) return numeric(analysis, operator, a, b);
  if (operator === "+" && x === "string" && y === "string")
    return single("string", call("concatenate", a.expr, b.expr));
  if ((operator === "+" || operator === "-") && (isCalendar(x) || x === "time") && y === "quantity") {
    return moved(analysis, operator, a, b, span);
  }
  return mismatch(analysis, operator, left, right, span);
}

/** `&`: text of both sides, an empty side counting as ''. */
export function concatenation(
  analysis: Analysis,
  left: Collection,
  right: Collection,
  span: Span,
): Collection {
  const side = (collection: Collection): Expr => {
    if (isEmpty(collection)) return text("");
    const one = plain(analysis, singleton(analysis, collection, "&"));
    const family = familyOfAll(analysis, one);
    if (family === "complex" || family === "quantity") {
      const types = collection.variants.map((variant) => variant.type).join(" or ");
      analysis.fail("wrong-type", `'&' joins strings, not ${types}.`, span);
    }
    return call("coalesce", toText(analysis, one), text(""));
  };
  return single("string", {
    kind: "call",
    operation: "concatenate",
    args: [side(left), side(right)],
    type: TEXT,
  });
}

/** `-x` and `+x` on a single number. Errors: `fhirpath/wrong-type`. */
export function signed(analysis: Analysis, operator: "+" | "-", value: Collection, span: Span): Collection {
  if (isEmpty(value)) return value;
  const one = operand(analysis, value, operator);
  const family = familyOfAll(analysis, one);
  if (family === "none" || family === "mixed" || !isNumeric(family)) {
    analysis.fail("wrong-type", `'${operator}' needs a number.`, span);
  }
  if (operator === "+") return one;
  if (one.constant !== undefined && one.expr.kind === "literal") {
    const { value: literal } = one.expr;
    const negated = typeof literal === "number" ? -literal : `-${String(literal)}`;
    return { ...one, constant: `-${one.constant}`, expr: { ...one.expr, value: negated } };
  }
  if (family === "integer")
    return single(
      "integer",
      call(
        "subtractInteger",
        { kind: "literal", value: 0, type: { kind: "scalar", type: "integer" } },
        one.expr,
      ),
    );
  return single(COMPUTED_DECIMAL, call("negate", toNumber(one)));
}
