import { call, type Expr, NUMBER, nullOf, TEXT, text } from "#plan";
import { type Collection, isEmpty, single } from "./collection.js";
import { familiesOf, familyOfAll, narrow, plain, singleton, toNumber, toText } from "./convert.js";
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

type Accepts = (family: Family) => boolean;

const isString: Accepts = (family) => family === "string";
const isMoment: Accepts = (family) => isCalendar(family) || family === "time";
const isQuantity: Accepts = (family) => family === "quantity";

/** Families between which an operator is defined, in order of preference. */
const COMBINATIONS: Readonly<Record<Arithmetic, readonly (readonly [Accepts, Accepts])[]>> = {
  "+": [
    [isNumeric, isNumeric],
    [isString, isString],
    [isMoment, isQuantity],
  ],
  "-": [
    [isNumeric, isNumeric],
    [isMoment, isQuantity],
  ],
  "*": [[isNumeric, isNumeric]],
  "/": [[isNumeric, isNumeric]],
  div: [[isNumeric, isNumeric]],
  mod: [[isNumeric, isNumeric]],
};

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
  const [one, other] = [singleton(analysis, left, operator), singleton(analysis, right, operator)];
  const [families, otherFamilies] = [familiesOf(analysis, one), familiesOf(analysis, other)];
  const combination = COMBINATIONS[operator].find(([x, y]) => families.some(x) && otherFamilies.some(y));
  if (combination === undefined) return mismatch(analysis, operator, left, right, span);
  const [a, b] = [narrow(analysis, one, combination[0]), narrow(analysis, other, combination[1])];
  if (combination[0] === isNumeric) return numeric(analysis, operator, a, b);
  if (combination[0] === isString) return single("string", call("concatenate", a.expr, b.expr));
  return moved(analysis, operator as "+" | "-", a, b, span);
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
  const one = narrow(analysis, singleton(analysis, value, operator), isNumeric);
  const family = familyOfAll(analysis, one);
  if (isEmpty(one)) {
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
