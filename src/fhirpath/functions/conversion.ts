import { boolean, call, choose, type Expr, integer, type Operation, text } from "#plan";
import { bare, type Collection, hasValueIn, isEmpty, isPlain, single } from "../collection.js";
import { EMPTY, familyOfAll, plain, singleton, toNumber, toText, truth } from "../convert.js";
import { COMPUTED_DECIMAL, type Family } from "../family.js";
import { type FunctionTable, fn, type Invocation } from "./signature.js";

/** iif(criterion, then, otherwise): both results need one type; only the chosen one counts. */
function iif(invocation: Invocation): Collection {
  const { analysis, input, args, scope, ast } = invocation;
  const own = ast.target === undefined ? scope : { ...scope, focus: input };
  const test = truth(analysis, analysis.analyze(args[0]!, own), "iif()");
  const then = analysis.analyze(args[1]!, own);
  const otherwise = args.length > 2 ? analysis.analyze(args[2]!, own) : EMPTY;
  if (isEmpty(then) && isEmpty(otherwise)) return EMPTY;
  return either(invocation, test, then, otherwise);
}

function either(invocation: Invocation, test: Expr, first: Collection, second: Collection): Collection {
  const { analysis, ast } = invocation;
  if (isEmpty(second)) return withExpr(plain(analysis, first), choose(test, plain(analysis, first).expr));
  if (isEmpty(first))
    return withExpr(
      plain(analysis, second),
      choose(
        call("isTrue", test),
        { kind: "null", type: { kind: "scalar", type: "text" } },
        plain(analysis, second).expr,
      ),
    );
  const [a, b] = [plain(analysis, first), plain(analysis, second)];
  const [f, g] = [familyOfAll(analysis, a), familyOfAll(analysis, b)];
  const [x, y] = [a.variants[0]!, b.variants[0]!];
  if (f !== g || a.many !== b.many || (f === "complex" && x.type !== y.type)) {
    const describe = (c: Collection): string => `${c.variants[0]!.type}${c.many ? " (several)" : ""}`;
    analysis.fail(
      "unsupported",
      `Both results of iif() need one type, not ${describe(a)} and ${describe(b)}.`,
      ast.nameSpan,
    );
  }
  if (f === "decimal" && x.type !== y.type) {
    return single(COMPUTED_DECIMAL, choose(test, toNumber(a), toNumber(b)));
  }
  return { ...withExpr(a, choose(test, a.expr, b.expr)), sparse: a.sparse || b.sparse };
}

function withExpr(collection: Collection, expr: Expr): Collection {
  return { ...bare(collection), expr };
}

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

/** FHIRPath 5.5, conversion, and the pass-through trace() of 5.9. */
export const CONVERSION: FunctionTable = {
  iif: fn(2, 3, iif),
  trace: fn(1, 2, ({ input }) => input),
  ...Object.fromEntries(
    Object.entries(CONVERSIONS).flatMap(([name, conversion]) => [
      [`to${name}`, fn(0, 0, (invocation) => convert(invocation, conversion))],
      [`convertsTo${name}`, fn(0, 0, (invocation) => convertsTo(invocation, conversion))],
    ]),
  ),
};
