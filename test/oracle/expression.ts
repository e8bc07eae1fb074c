import { ExactDecimal, fhirpath, type Item, r4, type UserFunction } from "./engine.js";
import { oracleFunctions } from "./functions/index.js";
import { rewrite } from "./rewrite.js";
import { OracleError } from "./values.js";

/** A parsed FHIRPath expression. `evaluate` gives nodes with all they know, in document order. */
export interface Expression {
  readonly constants: ReadonlySet<string>;
  evaluate(focus: Item, variables: Readonly<Record<string, unknown>>): Item[];
}

const cache = new Map<string, Expression>();

function compile(text: string): Expression {
  const { expression, variables, constants } = rewrite(text);
  let captured: Item[] = [];
  const capture: UserFunction = {
    internalStructures: true,
    arity: { 0: [] },
    fn(input) {
      captured = input;
      return [];
    },
  };
  // The engine strips nodes down to their data on the way out; the last call of the chain keeps them.
  const run = fhirpath.compile(`(${expression}).captureItems()`, r4, {
    userInvocationTable: { ...oracleFunctions, captureItems: capture },
    resolveInternalTypes: false,
  });
  return {
    constants,
    evaluate(focus, given) {
      captured = [];
      try {
        run(focus, { ...given, ...variables });
      } catch (error) {
        // The engine throws strings as well as errors.
        throw error instanceof OracleError ? error : new OracleError(String(error));
      }
      return captured;
    },
  };
}

/** Parses a FHIRPath expression, once per text. Throws {@link OracleError} when it does not parse. */
export function expression(text: unknown): Expression {
  if (typeof text !== "string") throw new OracleError("an expression is a string");
  const known = cache.get(text);
  if (known !== undefined) return known;
  let made: Expression;
  try {
    made = compile(text);
  } catch (error) {
    throw new OracleError(`does not parse: ${text}: ${String(error)}`);
  }
  cache.set(text, made);
  return made;
}

/** A constant of a ViewDefinition as an expression's variable. `type` is the suffix of its `value[x]`. */
export function constantValue(type: string, value: unknown): unknown {
  const temporal = { Date: "@", DateTime: "@", Instant: "@", Time: "@T" }[type];
  if (temporal === undefined)
    return value instanceof ExactDecimal && type !== "Decimal" ? value.toString() : value;
  const literal = `${temporal}${String(value)}`;
  // A date with a time but no `T` form does not exist; a partial dateTime literal needs its T.
  const text = type === "DateTime" && !literal.includes("T") ? `${literal}T` : literal;
  return expression(text).evaluate(0, {})[0];
}
