import { INTEGER, type Operation, TEXT } from "#plan";
import { decimalBoundary } from "../decimal.js";
import {
  addTemporal,
  compareDateTimes,
  compareTimes,
  compareWithDate,
  dateBoundary,
  dateTimeBoundary,
  temporalPart,
  timeBoundary,
} from "../temporal.js";
import { literalText, type Spelling } from "./spelling.js";

const DATE_CONSTANT = /^'(\d{4}(?:-\d{2}(?:-\d{2})?)?)'$/;

function compareTemporal(a: string, b: string): string {
  const [left, right] = [DATE_CONSTANT.exec(a)?.[1], DATE_CONSTANT.exec(b)?.[1]];
  if (right !== undefined) return compareWithDate(a, right);
  if (left !== undefined) return `-(${compareWithDate(b, left)})`;
  return compareDateTimes(a, b);
}

/** Dates, times and boundaries, partial ones included. */
export const MOMENTS = {
  compareTemporal: { type: INTEGER, sql: ([a, b]) => `(${compareTemporal(a!, b!)})` },
  compareTime: { type: INTEGER, sql: ([a, b]) => `(${compareTimes(a!, b!)})` },
  lowBoundaryDate: { type: TEXT, sql: ([a, digits]) => `(${dateBoundary(a!, "low", digits)})` },
  highBoundaryDate: { type: TEXT, sql: ([a, digits]) => `(${dateBoundary(a!, "high", digits)})` },
  lowBoundaryDateTime: { type: TEXT, sql: ([a, digits]) => `(${dateTimeBoundary(a!, "low", digits)})` },
  highBoundaryDateTime: { type: TEXT, sql: ([a, digits]) => `(${dateTimeBoundary(a!, "high", digits)})` },
  lowBoundaryTime: { type: TEXT, sql: ([a, digits]) => `(${timeBoundary(a!, "low", digits)})` },
  highBoundaryTime: { type: TEXT, sql: ([a, digits]) => `(${timeBoundary(a!, "high", digits)})` },
  lowBoundaryDecimal: { type: TEXT, sql: ([a, digits]) => `(${decimalBoundary(a!, "low", digits)})` },
  highBoundaryDecimal: { type: TEXT, sql: ([a, digits]) => `(${decimalBoundary(a!, "high", digits)})` },
  addTemporal: {
    type: TEXT,
    sql: ([a, amount], values) => `(${addTemporal(a!, amount!, literalText(values[2]!))})`,
  },
  temporalPart: { type: INTEGER, sql: ([a], values) => temporalPart(a!, literalText(values[1]!)) },
} satisfies Partial<Record<Operation, Spelling>>;
