import { INTEGER, NUMBER, type Operation, TEXT } from "#plan";
import { addNumbers, divideNumbers, multiplyNumbers, numberText } from "../decimal.js";
import { NUMBER_TYPE } from "../type-name.js";
import { named, type Spelling } from "./spelling.js";

/** Whole-number arithmetic in 64 bits, brought back to 32: a result that does not fit is NULL. */
function wholeNumbers(operator: string): Spelling {
  return {
    type: INTEGER,
    sql: ([a, b]) => `TRY_CAST(CAST(${a} AS BIGINT) ${operator} CAST(${b} AS BIGINT) AS INTEGER)`,
  };
}

/** A function of doubles; results that are no number are NULL. */
function floating(
  guard: (a: string, b: string) => string,
  expression: (a: string, b: string) => string,
): Spelling {
  return {
    type: NUMBER,
    sql: ([a, b]) => {
      const [x, y] = [`CAST(${a} AS DOUBLE)`, b === undefined ? "" : `CAST(${b} AS DOUBLE)`];
      return `(CASE WHEN ${guard(x, y)} THEN TRY_CAST(round(${expression(x, y)}, 8) AS ${NUMBER_TYPE}) END)`;
    },
  };
}

/** Arithmetic. */
export const NUMBERS = {
  toNumber: { type: NUMBER, sql: ([a]) => `TRY_CAST(${a} AS ${NUMBER_TYPE})` },
  numberText: { type: TEXT, sql: ([a]) => numberText(a!) },
  add: { type: NUMBER, sql: ([a, b]) => `(${addNumbers(a!, b!, "+")})` },
  subtract: { type: NUMBER, sql: ([a, b]) => `(${addNumbers(a!, b!, "-")})` },
  multiply: { type: NUMBER, sql: ([a, b]) => `(${multiplyNumbers(a!, b!)})` },
  divide: { type: NUMBER, sql: ([a, b]) => divideNumbers(a!, b!) },
  integerDivide: {
    type: NUMBER,
    sql: ([a, b]) =>
      `TRY_CAST(trunc(CAST(${a} AS DOUBLE) / nullif(CAST(${b} AS DOUBLE), 0)) AS ${NUMBER_TYPE})`,
  },
  modulo: { type: NUMBER, sql: ([a, b]) => `(${a} % nullif(${b}, 0))` },
  negate: { type: NUMBER, sql: ([a]) => `(-${a})` },
  absolute: named("abs", NUMBER),
  ceiling: { type: NUMBER, sql: ([a]) => `TRY_CAST(ceil(${a}) AS ${NUMBER_TYPE})` },
  floor: { type: NUMBER, sql: ([a]) => `TRY_CAST(floor(${a}) AS ${NUMBER_TYPE})` },
  truncate: { type: NUMBER, sql: ([a]) => `TRY_CAST(trunc(${a}) AS ${NUMBER_TYPE})` },
  round: {
    type: NUMBER,
    sql: ([a, digits]) => {
      const cases = Array.from(
        { length: 19 },
        (_, n) => `WHEN ${n} THEN TRY_CAST(round(${a}, ${n}) AS ${NUMBER_TYPE})`,
      );
      return `(CASE ${digits} ${cases.join(" ")} END)`;
    },
  },
  squareRoot: floating(
    (a) => `${a} >= 0`,
    (a) => `sqrt(${a})`,
  ),
  exponential: floating(
    (a) => `${a} < 46`,
    (a) => `exp(${a})`,
  ),
  naturalLogarithm: floating(
    (a) => `${a} > 0`,
    (a) => `ln(${a})`,
  ),
  logarithm: floating(
    (a, b) => `${a} > 0 AND ${b} > 0 AND ${b} <> 1`,
    (a, b) => `ln(${a}) / ln(${b})`,
  ),
  power: floating(
    (a, b) => `(${a} > 0 OR (${b} = floor(${b}) AND (${a} <> 0 OR ${b} >= 0)))`,
    (a, b) => `pow(${a}, ${b})`,
  ),
  addInteger: wholeNumbers("+"),
  subtractInteger: wholeNumbers("-"),
  multiplyInteger: wholeNumbers("*"),
} satisfies Partial<Record<Operation, Spelling>>;
