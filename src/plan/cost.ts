import type { Expr, Operation } from "./expression.js";

/** Rough cost of an operation per row, in units of one comparison. Operations not listed cost about one. */
const COSTS: Readonly<Partial<Record<Operation, number>>> = {
  flatten: 4,
  listConcatenate: 4,
  listDistinct: 10,
  listJoin: 4,
  zipElements: 10,
  listEqual: 4,
  listReverse: 4,
  listSlice: 3,
  onlyItem: 4,
  listSum: 6,
  listMinimum: 6,
  listMaximum: 6,
  listAll: 3,
  listAny: 3,
  equalNumber: 3,
  lessNumber: 3,
  equivalentNumber: 6,
  lessOrEqualNumber: 3,
  toNumber: 4,
  numberText: 6,
  add: 4,
  subtract: 4,
  multiply: 8,
  divide: 6,
  power: 6,
  compareTemporal: 10,
  compareTime: 6,
  lowBoundaryDate: 6,
  highBoundaryDate: 10,
  lowBoundaryDateTime: 12,
  highBoundaryDateTime: 16,
  lowBoundaryTime: 6,
  highBoundaryTime: 6,
  lowBoundaryDecimal: 20,
  highBoundaryDecimal: 20,
  addTemporal: 12,
  temporalPart: 4,
  matches: 8,
  matchesFull: 8,
  replaceMatches: 10,
  referenceKeyPath: 5,
  concatenate: 2,
  toJson: 10,
};

const LAMBDA_COST = 8;

/**
 * Rough cost of evaluating an expression once, in units of one comparison, when its parts cost `inner` together. Reading a column or a
 * field is free.
 */
export function costOfParts(expr: Expr, inner: number): number {
  switch (expr.kind) {
    case "transform":
    case "filter":
      return inner + LAMBDA_COST;
    case "conform":
      return inner + LAMBDA_COST;
    case "call":
      return inner + (COSTS[expr.operation] ?? 1);
    case "case":
    case "struct":
      return inner + 1;
    default:
      return inner;
  }
}

/** Operations whose first operand stands more than once in SQL, so that it is worth computing it beforehand. */
export const REPEATS_OPERAND: ReadonlySet<Operation> = new Set<Operation>([
  "listJoin",
  "listOf",
  "referenceKeyPath",
  "listDistinct",
  "equalNumber",
  "lessNumber",
  "equivalentNumber",
  "listAllKnown",
  "lessOrEqualNumber",
  "compareTemporal",
  "compareTime",
  "lowBoundaryDate",
  "highBoundaryDate",
  "lowBoundaryDateTime",
  "highBoundaryDateTime",
  "lowBoundaryTime",
  "highBoundaryTime",
  "lowBoundaryDecimal",
  "highBoundaryDecimal",
  "addTemporal",
  "temporalPart",
  "multiply",
  "substring",
  "lastPosition",
  "replaceText",
  "escapeText",
  "unescapeText",
  "parseBoolean",
  "parseInteger",
  "parseLong",
  "parseDecimal",
  "parseDate",
  "parseDateTime",
  "parseTime",
]);
