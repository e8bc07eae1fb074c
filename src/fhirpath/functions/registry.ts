import { didYouMean } from "#kernel";
import type { Ast } from "../ast.js";
import type { Collection } from "../collection.js";
import type { Analysis, Scope } from "../scope.js";
import { BOUNDARY } from "./boundary.js";
import { COMBINING } from "./combining.js";
import { CONDITIONAL } from "./conditional.js";
import { CONVERSION } from "./conversion.js";
import { EXISTENCE } from "./existence.js";
import { FHIR } from "./fhir.js";
import { MATH } from "./math.js";
import type { FunctionDefinition } from "./signature.js";
import { STRINGS } from "./strings.js";
import { SUBSETTING } from "./subsetting.js";

const FUNCTIONS: ReadonlyMap<string, FunctionDefinition> = new Map(
  [EXISTENCE, SUBSETTING, COMBINING, CONDITIONAL, CONVERSION, STRINGS, MATH, BOUNDARY, FHIR].flatMap(
    (table) => Object.entries(table),
  ),
);

/** Functions of FHIRPath or FHIR that views do not have, with the reason: a view is a function of one resource and of nothing else. */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ["now", "the rows of a view may not depend on when they are computed"],
  ["today", "the rows of a view may not depend on when they are computed"],
  ["timeOfDay", "the rows of a view may not depend on when they are computed"],
  ["resolve", "a view reads one resource only; join on getReferenceKey() instead"],
  ["memberOf", "views do not use terminology"],
  ["subsumes", "views do not use terminology"],
  ["subsumedBy", "views do not use terminology"],
  ["conformsTo", "views do not validate"],
  ["checkModifiers", "views do not validate"],
  ["htmlChecks", "views do not validate"],
  ["elementDefinition", "views do not read definitions"],
  ["slice", "views do not read profiles"],
  ["repeat", "use the select's repeat, which makes rows"],
  ["repeatAll", "use the select's repeat, which makes rows"],
  ["children", "name the elements instead"],
  ["descendants", "name the elements, or use the select's repeat"],
  ["aggregate", "aggregate in SQL over the view"],
  ["defineVariable", "write the expression where it is used"],
  ["type", "use is() or ofType()"],
  ["precision", "compare with lowBoundary() and highBoundary() instead"],
  ["comparable", "compare values with the same unit"],
]);

/** Names of all functions, sorted. */
export function functionNames(): readonly string[] {
  return [...FUNCTIONS.keys()].sort();
}

function countText({ minArgs, maxArgs }: FunctionDefinition): string {
  if (minArgs === maxArgs)
    return minArgs === 1 ? "1 argument" : `${minArgs === 0 ? "no" : minArgs} arguments`;
  return `${minArgs} to ${maxArgs} arguments`;
}

/**
 * Applies a function to its input.
 * Errors: `fhirpath/unknown-function` with the nearest name, `fhirpath/unsupported` with the reason, `fhirpath/wrong-arguments`.
 */
export function callFunction(
  analysis: Analysis,
  ast: Ast & { readonly kind: "call" },
  input: Collection,
  scope: Scope,
): Collection {
  const definition = FUNCTIONS.get(ast.name);
  if (definition === undefined) {
    const reason = UNSUPPORTED.get(ast.name);
    if (reason !== undefined)
      analysis.fail("unsupported", `${ast.name}() is not supported: ${reason}.`, ast.nameSpan);
    const hint = didYouMean(ast.name, FUNCTIONS.keys());
    return analysis.fail("unknown-function", `There is no function '${ast.name}'.${hint}`, ast.nameSpan);
  }
  if (ast.args.length < definition.minArgs || ast.args.length > definition.maxArgs) {
    analysis.fail(
      "wrong-arguments",
      `${ast.name}() takes ${countText(definition)}, not ${ast.args.length}.`,
      ast.span,
    );
  }
  return definition.apply({ analysis, ast, input, args: ast.args, scope });
}
