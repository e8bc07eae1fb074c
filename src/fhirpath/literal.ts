import { BIGINT, boolean, type Expr, integer, text } from "#plan";
import type { Ast, LiteralValue } from "./ast.js";
import { type Collection, single } from "./collection.js";
import { EMPTY } from "./convert.js";
import type { Span } from "./errors.js";
import { familyOf } from "./family.js";
import type { Analysis, ConstantValue } from "./scope.js";

const INTEGER_LIMIT = 2n ** 31n;
const LONG_LIMIT = 2n ** 63n;

function wholeNumber(analysis: Analysis, digits: string, long: boolean, span: Span): Collection {
  const value = BigInt(digits);
  if (value >= (long ? LONG_LIMIT : INTEGER_LIMIT)) {
    analysis.fail(
      "wrong-type",
      "This number is too large for its type; write it with a decimal point.",
      span,
    );
  }
  if (!long) return { ...single("integer", integer(Number(value))), constant: digits };
  // Text keeps all digits of a 64-bit number; the cast is folded by the engine.
  const expr: Expr = { kind: "call", operation: "parseLong", args: [text(digits)], type: BIGINT };
  return { ...single("integer64", expr), constant: digits };
}

function quantity(value: LiteralValue & { readonly type: "quantity" }): Collection {
  const unit = value.calendar ? value.unit.replace(/s$/, "") : value.unit;
  const fields = [
    ["value", text(value.text)],
    ["unit", text(unit)],
    ["code", text(unit)],
  ] as const;
  return { ...single("Quantity", { kind: "struct", fields }), constant: `${value.text} ${unit}` };
}

/** A literal as a collection of one constant item, or none. */
export function literal(analysis: Analysis, ast: Ast & { readonly kind: "literal" }): Collection {
  const { value, span } = ast;
  switch (value.type) {
    case "empty":
      return EMPTY;
    case "boolean":
      return { ...single("boolean", boolean(value.value)), constant: String(value.value) };
    case "integer":
      return wholeNumber(analysis, value.text, false, span);
    case "long":
      return wholeNumber(analysis, value.text, true, span);
    case "quantity":
      return quantity(value);
    case "dateTime":
      return constantText("dateTime", value.text.replace(/T$/, ""));
    default:
      return constantText(value.type, value.text);
  }
}

function constantText(type: string, value: string): Collection {
  return { ...single(type, text(value)), constant: value };
}

/** A constant of the view as a collection of one item of its type. */
export function constantCollection(analysis: Analysis, constant: ConstantValue): Collection {
  switch (familyOf(analysis.definitions, constant.type)) {
    case "boolean":
      return { ...single(constant.type, boolean(constant.text === "true")), constant: constant.text };
    case "integer":
      return { ...single(constant.type, integer(Number(constant.text))), constant: constant.text };
    case "long": {
      const expr: Expr = { kind: "call", operation: "parseLong", args: [text(constant.text)], type: BIGINT };
      return { ...single(constant.type, expr), constant: constant.text };
    }
    default:
      return constantText(constant.type, constant.text);
  }
}
