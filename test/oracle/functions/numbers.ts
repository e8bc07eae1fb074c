import {
  addDecimals,
  compareDecimals,
  type DecimalValue,
  fromDouble,
  negateDecimal,
  parseDecimal,
  roundDecimal,
  toDouble,
} from "../decimal.js";
import { ExactDecimal, type Item, type UserFunction } from "../engine.js";
import { single } from "../operators.js";
import { numberItem, OracleError, worthOf } from "../values.js";
import { plain } from "./plain.js";

function numberOf(input: Item[], what: string): { value: DecimalValue; integer: boolean } | undefined {
  const item = single(input, what);
  const value = item === undefined ? undefined : worthOf(item);
  if (value === undefined) return undefined;
  if (value.kind !== "number") throw new OracleError(`${what} takes a number`);
  return value;
}

function ofNumber(fn: (value: DecimalValue, integer: boolean) => Item | undefined): UserFunction {
  return plain({ 0: [] }, (input) => {
    const number = numberOf(input, "a math function");
    const result = number === undefined ? undefined : fn(number.value, number.integer);
    return result === undefined ? [] : [result];
  });
}

function absolute(value: DecimalValue): DecimalValue {
  return value.coefficient < 0n ? negateDecimal(value) : { ...value, origin: "computed" };
}

const rounded = (mode: "floor" | "ceiling" | "truncate"): UserFunction =>
  ofNumber((value) => numberItem(roundDecimal(value, 0, mode), true));

const inDoubles = (fn: (value: number) => number): UserFunction =>
  ofNumber((value) => {
    const result = fromDouble(fn(toDouble(value)));
    return result === undefined ? undefined : new ExactDecimal(result);
  });

function round(input: Item[], precision = 0): Item[] {
  const number = numberOf(input, "round");
  if (number === undefined) return [];
  if (precision < 0) throw new OracleError("round takes a precision of 0 or more");
  return [new ExactDecimal(roundDecimal(number.value, precision, "nearest"))];
}

/** All numbers of a collection taken together; empty for none. */
function folded(input: Item[], combine: (a: DecimalValue, b: DecimalValue) => DecimalValue): Item[] {
  const values = input.flatMap((item) => {
    const value = worthOf(item);
    if (value !== undefined && value.kind !== "number") throw new OracleError("numbers are needed");
    return value === undefined ? [] : [value.value];
  });
  if (values.length === 0) return [];
  const result = values.reduce(combine);
  return [new ExactDecimal({ ...result, origin: result.origin === "rounded" ? "rounded" : "computed" })];
}

function power(input: Item[], exponent: unknown): Item[] {
  const number = numberOf(input, "power");
  if (number === undefined || Array.isArray(exponent)) return [];
  const result = fromDouble(toDouble(number.value) ** Number(exponent));
  return result === undefined ? [] : [new ExactDecimal(result)];
}

/** fhirpath.js has doubles only. */
export const numbers: Record<string, UserFunction> = {
  exactDecimal: plain({ 1: ["String"] }, (_input, digits: string) => [
    new ExactDecimal(parseDecimal(digits)!),
  ]),
  abs: ofNumber((value, integer) => numberItem(absolute(value), integer)),
  floor: rounded("floor"),
  ceiling: rounded("ceiling"),
  truncate: rounded("truncate"),
  round: plain({ 0: [], 1: ["Integer"] }, round),
  power: plain({ 1: ["Number"] }, (input, exponent: unknown) => power(input, exponent)),
  sum: plain({ 0: [] }, (input) => folded(input, addDecimals)),
  min: plain({ 0: [] }, (input) => folded(input, (a, b) => (compareDecimals(b, a) < 0 ? b : a))),
  max: plain({ 0: [] }, (input) => folded(input, (a, b) => (compareDecimals(b, a) > 0 ? b : a))),
  sqrt: inDoubles(Math.sqrt),
  exp: inDoubles(Math.exp),
  ln: inDoubles(Math.log),
};
