import { boolean, call, choose, type Expr, integer, type Operation, text } from "#plan";
import { type Collection, hasValueIn, isEmpty, isPlain, single } from "../collection.js";
import { EMPTY, familyOfAll, plain, singleton, toText } from "../convert.js";
import type { Family } from "../family.js";
import { type FunctionTable, fn, type Invocation } from "./signature.js";

/** The only primitive of the input; undefined when it is certainly empty. */
function scalar(invocation: Invocation): { value: Collection; family: Family } | undefined {
  const { analysis, input, ast } = invocation;
  if (isEmpty(input)) return undefined;
  const value = plain(analysis, singleton(analysis, input, `${ast.name}()`));
  const family = familyOfAll(analysis, value) as Family;
  return { value: isPlain(value) ? value : plain(analysis, value), family };
}

interface Conversion {
  readonly type: string;
  /** The converted value, or undefined when the family never converts. */
  convert(invocation: Invocation, value: Collection, family: Family): Expr | undefined;
}

function viaText(type: string, operation: Operation, families: readonly Family[]): Conversion {
  return {
    type,
    convert: ({ analysis }, value, family) =>
      families.includes(family) ? call(operation, toText(analysis, value)) : undefined,
  };
}

const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  Boolean: {
    type: "boolean",
    convert: ({ analysis }, value, family) =>
      family === "boolean"
        ? value.expr
        : family === "complex" || family === "quantity"
          ? undefined
          : call("parseBoolean", toText(analysis, value)),
  },
  Integer: {
    type: "integer",
    convert: (_invocation, value, family) => {
      if (family === "integer") return value.expr;
      if (family === "boolean")
        return choose(value.expr, integer(1), choose(call("not", value.expr), integer(0)));
      return family === "string" || family === "long"
        ? call("parseInteger", call("text", value.expr))
        : undefined;
    },
  },
  Long: viaText("integer64", "parseLong", ["integer", "long", "string"]),
  Decimal: {
    type: "decimal",
    convert: ({ analysis }, value, family) => {
      if (family === "boolean")
        return choose(value.expr, text("1.0"), choose(call("not", value.expr), text("0.0")));
      const accepted: readonly Family[] = ["integer", "long", "decimal", "string"];
      return accepted.includes(family) ? call("parseDecimal", toText(analysis, value)) : undefined;
    },
  },
  Date: viaText("date", "parseDate", ["date", "dateTime", "string"]),
  DateTime: viaText("dateTime", "parseDateTime", ["date", "dateTime", "string"]),
  Time: viaText("time", "parseTime", ["time", "string"]),
  String: {
    type: "string",
    convert: ({ analysis }, value, family) =>
      family === "complex" || family === "quantity" ? undefined : toText(analysis, value),
  },
};

function convert(invocation: Invocation, conversion: Conversion): Collection {
  const found = scalar(invocation);
  const result = found === undefined ? undefined : conversion.convert(invocation, found.value, found.family);
  return result === undefined ? EMPTY : single(conversion.type, result);
}

function convertsTo(invocation: Invocation, conversion: Conversion): Collection {
  const found = scalar(invocation);
  if (found === undefined) return EMPTY;
  const present = hasValueIn(invocation.analysis.names, found.value);
  const result = conversion.convert(invocation, found.value, found.family);
  return single(
    "boolean",
    choose(present, result === undefined ? boolean(false) : call("isNotNull", result)),
  );
}

/** Text of a quantity: a number, then a unit in quotes or a calendar unit, or none (FHIRPath 5.5, toQuantity). */
const QUANTITY =
  "([+-]?[0-9]+(?:\\.[0-9]+)?)\\s*(?:'([^']+)'|(year|month|week|day|hour|minute|second|millisecond)s?)?";

/** A quantity of a value and a unit, both text. */
function quantityOf(value: Expr, unit: Expr): Expr {
  const fields = [
    ["value", value],
    ["unit", unit],
    ["code", unit],
  ] as const;
  return { kind: "struct", fields };
}

function toQuantity(invocation: Invocation): Collection {
  const found = scalar(invocation);
  if (found === undefined) return EMPTY;
  const { value, family } = found;
  if (family === "quantity") return value;
  if (family === "string") {
    const part = (group: string): Expr =>
      call("replaceMatches", value.expr, text(`^${QUANTITY}$`), text(group));
    const unit = part("$2$3");
    const named = choose(call("equal", unit, text("")), text("1"), unit);
    const isQuantity = call("matchesFull", value.expr, text(QUANTITY));
    return single("Quantity", choose(isQuantity, quantityOf(part("$1"), named)));
  }
  const number = CONVERSIONS["Decimal"]!.convert(invocation, value, family);
  if (number === undefined) return EMPTY;
  return single("Quantity", choose(call("isNotNull", number), quantityOf(number, text("1"))));
}

function convertsToQuantity(invocation: Invocation): Collection {
  const found = scalar(invocation);
  if (found === undefined) return EMPTY;
  const { value, family } = found;
  const converts =
    family === "string"
      ? call("matchesFull", value.expr, text(QUANTITY))
      : boolean(["integer", "long", "decimal", "boolean", "quantity"].includes(family));
  return single("boolean", choose(hasValueIn(invocation.analysis.names, value), converts));
}

/** FHIRPath 5.5, conversion other than iif, and the pass-through trace() of 5.9. */
export const CONVERSION: FunctionTable = {
  trace: fn(1, 2, ({ input }) => input),
  toQuantity: fn(0, 0, toQuantity),
  convertsToQuantity: fn(0, 0, convertsToQuantity),
  ...Object.fromEntries(
    Object.entries(CONVERSIONS).flatMap(([name, conversion]) => [
      [`to${name}`, fn(0, 0, (invocation) => convert(invocation, conversion))],
      [`convertsTo${name}`, fn(0, 0, (invocation) => convertsTo(invocation, conversion))],
    ]),
  ),
};
