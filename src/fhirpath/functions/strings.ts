import { call, type Expr, type Operation, text } from "#plan";
import { type Collection, isEmpty, itemOf, list, single } from "../collection.js";
import { asList, EMPTY, familyOfAll, plain, toText } from "../convert.js";
import { constantArgument, integerArgument, ofText, textArgument, textInput } from "./arguments.js";
import { type FunctionTable, fn, type Invocation } from "./signature.js";

/** A function of a string and one string argument. */
function withText(type: string, operation: Operation) {
  return fn(
    1,
    1,
    ofText(type, (value, invocation) => {
      const argument = textArgument(invocation, 0);
      return argument === undefined ? undefined : call(operation, value, argument);
    }),
  );
}

function plainText(type: string, operation: Operation) {
  return fn(
    0,
    0,
    ofText(type, (value) => call(operation, value)),
  );
}

function substring(invocation: Invocation): Collection {
  const value = textInput(invocation);
  const start = integerArgument(invocation, 0);
  if (value === undefined || start === undefined) return EMPTY;
  const length = invocation.args.length > 1 ? integerArgument(invocation, 1) : undefined;
  return single("string", call("substring", value, start, ...(length === undefined ? [] : [length])));
}

function replace(operation: Operation) {
  return fn(
    2,
    2,
    ofText("string", (value, invocation) => {
      const [pattern, replacement] = [textArgument(invocation, 0), textArgument(invocation, 1)];
      return pattern === undefined || replacement === undefined
        ? undefined
        : call(operation, value, pattern, replacement);
    }),
  );
}

/** A pattern must be known when the view is compiled, so that a bad one is an error of the view and not of the data. */
function patternArgument(invocation: Invocation): Expr {
  const pattern = constantArgument(invocation, 0);
  const reason = patternProblem(pattern);
  if (reason !== undefined) {
    invocation.analysis.fail(
      "wrong-arguments",
      `This regular expression ${reason}.`,
      invocation.args[0]!.span,
    );
  }
  return text(pattern);
}

/** What in a pattern the engine's matcher, which is linear in time, does not have. */
const PATTERN_LIMITS: readonly (readonly [RegExp, string])[] = [
  [/\(\?(?:[=!]|<[=!])/, "uses look-around, which is not supported"],
  [/\\[1-9]|\\k/, "uses a back reference, which is not supported"],
  [/\\[cuxpP](?![0-9A-Fa-f]{2})/, "uses an escape that is not supported"],
  [/\\u/, "uses an escape that is not supported; write the character itself"],
  [/\[\^?\]/, "has an empty character class"],
  [/\{\d{4,}|,\d{4,}\}/, "repeats something more than 999 times"],
  [/\(\?(?![:i])/, "uses a group that is not supported"],
];

function patternProblem(pattern: string): string | undefined {
  if (pattern.length > 1000) return "is longer than 1000 characters";
  try {
    new RegExp(pattern);
  } catch {
    return "is not valid";
  }
  const plainText = pattern.replaceAll("\\\\", "");
  const nested = [...plainText.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].reduce(
    (product, m) => product * Math.max(1, Number(m[2] || m[1])),
    1,
  );
  if (nested > 1000) return "repeats too often";
  return PATTERN_LIMITS.find(([limit]) => limit.test(plainText))?.[1];
}

function matches(operation: "matches" | "matchesFull") {
  return fn(
    1,
    1,
    ofText("boolean", (value, invocation) => call(operation, value, patternArgument(invocation))),
  );
}

function replaceMatches(invocation: Invocation): Collection {
  const value = textInput(invocation);
  const pattern = patternArgument(invocation);
  const replacement = constantArgument(invocation, 1);
  return value === undefined
    ? EMPTY
    : single("string", call("replaceMatches", value, pattern, text(replacement)));
}

/** The items as one text; nothing for no items. */
function join(invocation: Invocation): Collection {
  const { analysis, input, args, ast } = invocation;
  if (isEmpty(input)) return EMPTY;
  const separator = args.length === 0 ? text("") : textArgument(invocation, 0);
  if (separator === undefined) return EMPTY;
  const items = asList(analysis, plain(analysis, input));
  const family = familyOfAll(analysis, items);
  if (family === "complex" || family === "quantity") {
    analysis.fail(
      "wrong-type",
      `join() needs strings, not ${input.variants.map((v) => v.type).join(" or ")}.`,
      ast.nameSpan,
    );
  }
  if (family === "string") return single("string", call("listJoin", items.expr, separator));
  const variable = analysis.names.variable();
  const body = toText(analysis, itemOf(items, { kind: "variable", name: variable }));
  const texts: Expr = { kind: "transform", list: items.expr, variable, body };
  return single("string", call("listJoin", texts, separator));
}

function lists(operation: Operation, withSeparator: boolean) {
  const count = withSeparator ? 1 : 0;
  return fn(count, count, (invocation) => {
    const value = textInput(invocation);
    const separator = withSeparator ? textArgument(invocation, 0) : undefined;
    if (value === undefined || (withSeparator && separator === undefined)) return EMPTY;
    return list("string", call(operation, value, ...(separator === undefined ? [] : [separator])), false);
  });
}

const ENCODINGS = ["base64", "hex", "urlbase64"];
const ESCAPES = ["html", "json"];

function coded(operation: Operation, allowed: readonly string[]) {
  return fn(
    1,
    1,
    ofText("string", (value, invocation) => {
      const format = constantArgument(invocation, 0);
      if (!allowed.includes(format)) {
        const message = `${invocation.ast.name}() knows ${allowed.join(", ")}.`;
        invocation.analysis.fail("wrong-arguments", message, invocation.args[0]!.span);
      }
      return call(operation, value, text(format));
    }),
  );
}

/** contains(part): a function here, an operator elsewhere. */
const containsText = withText("boolean", "containsText");

/** FHIRPath 5.6, string manipulation. */
export const STRINGS: FunctionTable = {
  indexOf: withText("integer", "position"),
  lastIndexOf: withText("integer", "lastPosition"),
  substring: fn(1, 2, substring),
  startsWith: withText("boolean", "startsWith"),
  endsWith: withText("boolean", "endsWith"),
  contains: containsText,
  upper: plainText("string", "upper"),
  lower: plainText("string", "lower"),
  trim: plainText("string", "trim"),
  length: plainText("integer", "textLength"),
  replace: replace("replaceText"),
  matches: matches("matches"),
  matchesFull: matches("matchesFull"),
  replaceMatches: fn(2, 2, replaceMatches),
  toChars: lists("characters", false),
  split: lists("splitText", true),
  join: fn(0, 1, join),
  encode: coded("encode", ENCODINGS),
  decode: coded("decode", ENCODINGS),
  escape: coded("escapeText", ESCAPES),
  unescape: coded("unescapeText", ESCAPES),
};
