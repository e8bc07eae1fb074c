import { call, type Expr, type Operation } from "#plan";
import { type Collection, isEmpty, single } from "../collection.js";
import { EMPTY, familyOfAll, plain, singleton, toText } from "../convert.js";
import { navigate } from "../navigate.js";
import { integerArgument } from "./arguments.js";
import { type FunctionTable, fn, type Invocation } from "./signature.js";

type Side = "low" | "high";

/** lowBoundary and highBoundary: the least and greatest value that a value of limited precision may stand for. */
function boundary(invocation: Invocation, side: Side): Collection {
  const { analysis, input, ast, args } = invocation;
  const precision = args.length === 0 ? undefined : integerArgument(invocation, 0);
  if (isEmpty(input) || (args.length > 0 && precision === undefined)) return EMPTY;
  if (input.variants.every((variant) => variant.type === "Period"))
    return ofPeriod(invocation, side, precision);
  const one = plain(analysis, singleton(analysis, input, `${ast.name}()`));
  const value = toText(analysis, one);
  switch (familyOfAll(analysis, one)) {
    case "integer":
    case "long":
    case "decimal":
      return bounded(
        "decimal",
        side === "low" ? "lowBoundaryDecimal" : "highBoundaryDecimal",
        value,
        precision,
      );
    case "date":
      return bounded("date", side === "low" ? "lowBoundaryDate" : "highBoundaryDate", value, precision);
    case "dateTime":
      return bounded(
        "dateTime",
        side === "low" ? "lowBoundaryDateTime" : "highBoundaryDateTime",
        value,
        precision,
      );
    case "time":
      return bounded("time", side === "low" ? "lowBoundaryTime" : "highBoundaryTime", value, precision);
    default: {
      const types = input.variants.map((variant) => variant.type).join(" or ");
      return analysis.fail(
        "wrong-type",
        `${ast.name}() needs a decimal, date, dateTime, time or Period, not ${types}.`,
        ast.nameSpan,
      );
    }
  }
}

function bounded(type: string, operation: Operation, value: Expr, precision: Expr | undefined): Collection {
  return single(type, call(operation, value, ...(precision === undefined ? [] : [precision])));
}

/** The low boundary of a Period is that of its start, the high boundary that of its end; nothing when that side is open. */
function ofPeriod(invocation: Invocation, side: Side, precision: Expr | undefined): Collection {
  const { analysis, input, ast } = invocation;
  const period = singleton(analysis, input, `${ast.name}()`);
  const edge = navigate(analysis, period, side === "low" ? "start" : "end", ast.nameSpan);
  return bounded(
    "dateTime",
    side === "low" ? "lowBoundaryDateTime" : "highBoundaryDateTime",
    edge.expr,
    precision,
  );
}

const PARTS = ["year", "month", "day", "hour", "minute", "second", "millisecond"] as const;

/** yearOf(), monthOf() and the like: a part of a date or time, when it is written. */
function part(invocation: Invocation, name: string): Collection {
  const { analysis, input, ast } = invocation;
  if (isEmpty(input)) return EMPTY;
  const one = plain(analysis, singleton(analysis, input, `${ast.name}()`));
  const family = familyOfAll(analysis, one);
  if (family !== "date" && family !== "dateTime" && family !== "time") {
    analysis.fail("wrong-type", `${ast.name}() needs a date or time.`, ast.nameSpan);
  }
  const operands = [
    one.expr,
    { kind: "literal", value: name, type: { kind: "scalar", type: "text" } },
  ] satisfies Expr[];
  return single("integer", call("temporalPart", ...operands));
}

/** lowBoundary and highBoundary (FHIRPath 5.7), and the parts of dates and times (FHIRPath 5.9). */
export const BOUNDARY: FunctionTable = {
  lowBoundary: fn(0, 1, (invocation) => boundary(invocation, "low")),
  highBoundary: fn(0, 1, (invocation) => boundary(invocation, "high")),
  ...Object.fromEntries(PARTS.map((name) => [`${name}Of`, fn(0, 0, (invocation) => part(invocation, name))])),
};
