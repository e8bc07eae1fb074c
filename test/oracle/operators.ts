import {
  addDecimals,
  type DecimalValue,
  divideDecimals,
  integerQuotient,
  makeDecimal,
  multiplyDecimals,
  negateDecimal,
  remainder,
} from "./decimal.js";
import type { Item, UserFunction } from "./engine.js";
import { moveTemporal } from "./temporal.js";
import {
  equalItems,
  equivalentItems,
  numberItem,
  OracleError,
  orderItems,
  temporalItem,
  UnspecifiedError,
  type Value,
  worthOf,
} from "./values.js";

/** The one item of a collection, undefined when empty. Throws when there are several. */
export function single(items: readonly Item[], what: string): Item | undefined {
  if (items.length > 1) throw new OracleError(`${what} takes one item, not ${items.length}`);
  return items[0];
}

/** Equality of collections: item by item in order; undefined for empty. */
export function equalCollections(a: readonly Item[], b: readonly Item[]): boolean | undefined {
  if (a.length === 0 || b.length === 0) return undefined;
  if (a.length !== b.length) return false;
  const results = a.map((item, i) => equalItems(item, b[i]!));
  if (results.includes(false)) return false;
  return results.includes(undefined) ? undefined : true;
}

/** Whether `items` holds an item equal to `wanted`. */
export function holds(items: readonly Item[], wanted: Item): boolean {
  return items.some((item) => equalItems(item, wanted) === true);
}

/** First occurrences, in order. */
export function distinctItems(items: readonly Item[]): Item[] {
  const result: Item[] = [];
  for (const item of items) if (!holds(result, item)) result.push(item);
  return result;
}

function equivalentCollections(a: readonly Item[], b: readonly Item[]): boolean {
  if (a.length !== b.length) return false;
  const left = [...b];
  for (const item of a) {
    const at = left.findIndex((other) => equivalentItems(item, other));
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return true;
}

const optional = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);

function binary(fn: (a: Item[], b: Item[]) => unknown): UserFunction {
  return {
    internalStructures: true,
    arity: { 2: ["Any", "Any"] },
    fn: (_input: Item[], a: Item[], b: Item[]) => fn(a, b),
  };
}

function comparison(test: (order: number) => boolean): UserFunction {
  return binary((a, b) => {
    // Empty beside several items is empty by one sentence of the specification and an error by another.
    if ((a.length === 0) !== (b.length === 0) && a.length + b.length > 1)
      throw new UnspecifiedError("a comparison of nothing with several items");
    const [x, y] = [single(a, "a comparison"), single(b, "a comparison")];
    if (x === undefined || y === undefined) return [];
    const order = orderItems(x, y);
    return order === undefined ? [] : [test(order)];
  });
}

function operands(a: Item[], b: Item[]): [Value, Value] | undefined {
  const [x, y] = [single(a, "arithmetic"), single(b, "arithmetic")];
  const [v, w] = [x === undefined ? x : worthOf(x), y === undefined ? y : worthOf(y)];
  return v === undefined || w === undefined ? undefined : [v, w];
}

/** Arithmetic on numbers; `keepsInteger` says that two integers give an integer. */
function arithmetic(
  compute: (a: DecimalValue, b: DecimalValue) => DecimalValue | undefined,
  keepsInteger: boolean,
): UserFunction {
  return binary((a, b) => {
    const values = operands(a, b);
    if (values === undefined) return [];
    const [x, y] = values;
    if (x.kind !== "number" || y.kind !== "number")
      throw new OracleError(`${x.kind} and ${y.kind} in arithmetic`);
    const result = compute(x.value, y.value);
    return result === undefined ? [] : computed(result, keepsInteger && x.integer && y.integer);
  });
}

/** A number; empty where an integer leaves 32 bits, as FHIRPath has it. */
function computed(result: DecimalValue, integer: boolean): Item[] {
  const overflows = integer && (result.coefficient > 2n ** 31n - 1n || result.coefficient < -(2n ** 31n));
  return overflows ? [] : [numberItem(result, integer)];
}

function move(
  value: Value & { kind: "temporal" },
  quantity: Value & { kind: "quantity" },
  sign: 1 | -1,
): Item[] {
  const count = sign * Math.trunc(Number(quantity.value.text));
  const text = moveTemporal(value.value, count, quantity.unit);
  if (text === undefined) throw new OracleError(`a ${value.value.kind} cannot move by ${quantity.unit}`);
  return [temporalItem(value.value.kind, text)];
}

function subtract(a: Item[], b: Item[]): Item[] {
  const values = operands(a, b);
  if (values === undefined) return [];
  const [x, y] = values;
  if (x.kind !== "number" || y.kind !== "number") throw new OracleError(`${x.kind} - ${y.kind}`);
  return computed(addDecimals(x.value, negateDecimal(y.value)), x.integer && y.integer);
}

function add(a: Item[], b: Item[]): Item[] {
  const values = operands(a, b);
  if (values === undefined) return [];
  const [x, y] = values;
  if (x.kind === "temporal" && y.kind === "quantity") return move(x, y, 1);
  if (x.kind === "string" && y.kind === "string") return [x.value + y.value];
  if (x.kind !== "number" || y.kind !== "number") throw new OracleError(`${x.kind} + ${y.kind}`);
  return computed(addDecimals(x.value, y.value), x.integer && y.integer);
}

function negate(input: Item[]): Item[] {
  const item = single(input, "unary minus");
  const value = item === undefined ? undefined : worthOf(item);
  if (value === undefined) return [];
  if (value.kind !== "number") throw new OracleError(`minus a ${value.kind}`);
  return computed(negateDecimal(value.value), value.integer);
}

/** The operators of FHIRPath whose fhirpath.js form rounds, depends on the machine's zone, or sees extensions. */
export const operatorFunctions: Record<string, UserFunction> = {
  opEqual: binary((a, b) => optional(equalCollections(a, b))),
  opUnequal: binary((a, b) => optional(equalCollections(a, b)).map((equal) => !equal)),
  opLess: comparison((order) => order < 0),
  opLessOrEqual: comparison((order) => order <= 0),
  opGreater: comparison((order) => order > 0),
  opGreaterOrEqual: comparison((order) => order >= 0),
  opAdd: binary(add),
  opSubtract: binary((a, b) => {
    const values = operands(a, b);
    if (values?.[0].kind === "temporal" && values[1].kind === "quantity")
      return move(values[0], values[1], -1);
    return subtract(a, b);
  }),
  opMultiply: arithmetic(multiplyDecimals, true),
  opDivide: arithmetic(divideDecimals, false),
  opDivideInteger: arithmetic((a, b) => {
    const quotient = integerQuotient(a, b);
    return quotient === undefined ? undefined : makeDecimal(quotient, 0, "computed");
  }, true),
  opRemainder: arithmetic(remainder, true),
  opNegate: {
    internalStructures: true,
    arity: { 1: ["Any"] },
    fn: (_input: Item[], a: Item[]) => negate(a),
  },
  criterionOf: {
    internalStructures: true,
    arity: { 1: ["Any"] },
    fn: (_input: Item[], a: Item[]) => optional(single(a, "a criterion")),
  },
  opUnion: binary((a, b) => distinctItems([...a, ...b])),
  opIn: binary((a, b) => {
    const item = single(a, "in");
    return item === undefined ? [] : [holds(b, item)];
  }),
  opEquivalent: binary((a, b) => [equivalentCollections(a, b)]),
  opNotEquivalent: binary((a, b) => [!equivalentCollections(a, b)]),
  opContains: binary((a, b) => {
    const item = single(b, "contains");
    return item === undefined ? [] : [holds(a, item)];
  }),
};
