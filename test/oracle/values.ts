import { compareDecimals, type DecimalValue, makeDecimal, parseDecimal, roundDecimal } from "./decimal.js";
import { dataOf, ExactDecimal, type Item, types } from "./engine.js";
import { compareTemporals, parseTemporal, type Temporal, type TemporalKind } from "./temporal.js";

/** What an item is worth to an operator. */
export type Value =
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "number"; readonly value: DecimalValue; readonly integer: boolean }
  | { readonly kind: "temporal"; readonly value: Temporal }
  | { readonly kind: "quantity"; readonly value: DecimalValue; readonly unit: string }
  | { readonly kind: "complex"; readonly value: Record<string, unknown> };

/** An error that the evaluated view deserves, as opposed to a defect of the oracle. */
export class OracleError extends Error {}

/** What the specification leaves to the runner, so that the oracle has no answer to compare with. */
export class UnspecifiedError extends OracleError {}

const temporalTypes: Record<string, TemporalKind> = {
  date: "date",
  dateTime: "dateTime",
  instant: "dateTime",
  time: "time",
};

function temporal(text: string, kind: TemporalKind): Value {
  const value = parseTemporal(text, kind);
  return value === undefined ? { kind: "string", value: text } : { kind: "temporal", value };
}

function engineValue(data: object): Value | undefined {
  const text = (data as { asStr?: string }).asStr ?? "";
  // FP_Date is a subclass of FP_DateTime, so it must be asked first.
  if (data instanceof types.FP_Date) return temporal(text, "date");
  if (data instanceof types.FP_DateTime) return temporal(text, "dateTime");
  if (data instanceof types.FP_Time) return temporal(text, "time");
  if (data instanceof types.FP_Quantity) {
    return { kind: "quantity", value: parseDecimal(String(data.value))!, unit: data.unit };
  }
  return undefined;
}

/** The value of an item; undefined for a node without a value. */
export function worthOf(item: Item): Value | undefined {
  const data = dataOf(item);
  if (data === null) return undefined;
  if (typeof data === "boolean") return { kind: "boolean", value: data };
  if (typeof data === "number" || typeof data === "bigint") {
    return { kind: "number", value: parseDecimal(String(data))!, integer: Number.isInteger(Number(data)) };
  }
  if (data instanceof ExactDecimal) return { kind: "number", value: data.exact, integer: false };
  if (typeof data === "string") {
    const kind = item instanceof types.ResourceNode ? temporalTypes[item.fhirNodeDataType ?? ""] : undefined;
    return kind === undefined ? { kind: "string", value: data } : temporal(data, kind);
  }
  return engineValue(data as object) ?? { kind: "complex", value: data as Record<string, unknown> };
}

/** The order of Unicode code points, which UTF-16 comparison does not give above U+FFFF. */
export function compareText(a: string, b: string): number {
  const [x, y] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = x[i]!.codePointAt(0)! - y[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}

function equalJson(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    if (a instanceof ExactDecimal || b instanceof ExactDecimal) return equalNumbers(a, b);
    return a === b;
  }
  if (a instanceof ExactDecimal || b instanceof ExactDecimal) return equalNumbers(a, b);
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const names = Object.keys(x);
  if (Array.isArray(a) !== Array.isArray(b) || names.length !== Object.keys(y).length) return false;
  return names.every((name) => Object.hasOwn(y, name) && equalJson(x[name], y[name]));
}

function equalNumbers(a: unknown, b: unknown): boolean {
  const number = (value: unknown): DecimalValue | undefined =>
    value instanceof ExactDecimal
      ? value.exact
      : typeof value === "number"
        ? parseDecimal(String(value))
        : undefined;
  const [x, y] = [number(a), number(b)];
  return x !== undefined && y !== undefined && compareDecimals(x, y) === 0;
}

/** Equality of two items; undefined where FHIRPath answers empty (dates of different precision). */
export function equalItems(a: Item, b: Item): boolean | undefined {
  const [x, y] = [worthOf(a), worthOf(b)];
  if (x === undefined || y === undefined) return undefined;
  if (x.kind === "number" && y.kind === "number") return compareDecimals(x.value, y.value) === 0;
  if (x.kind === "temporal" && y.kind === "temporal") {
    if ((x.value.kind === "time") !== (y.value.kind === "time")) return false;
    const order = compareTemporals(x.value, y.value);
    return order === undefined ? undefined : order === 0;
  }
  if (x.kind === "quantity" && y.kind === "quantity") {
    return x.unit === y.unit && compareDecimals(x.value, y.value) === 0;
  }
  if (x.kind !== y.kind) return false;
  return equalJson(x.value, y.value);
}

/** The order of two items; undefined for empty. Throws {@link OracleError} on values that have no order. */
export function orderItems(a: Item, b: Item): number | undefined {
  const [x, y] = [worthOf(a), worthOf(b)];
  if (x === undefined || y === undefined) return undefined;
  if (x.kind === "number" && y.kind === "number") return compareDecimals(x.value, y.value);
  if (x.kind === "string" && y.kind === "string") return compareText(x.value, y.value);
  if (x.kind === "temporal" && y.kind === "temporal") {
    if ((x.value.kind === "time") === (y.value.kind === "time")) return compareTemporals(x.value, y.value);
  }
  if (x.kind === "quantity" && y.kind === "quantity" && x.unit === y.unit)
    return compareDecimals(x.value, y.value);
  throw new OracleError(`a ${x.kind} and a ${y.kind} have no order`);
}

function withoutTrailingZeros(value: DecimalValue): number {
  let { coefficient, scale } = value;
  while (scale > 0 && coefficient % 10n === 0n) {
    coefficient /= 10n;
    scale -= 1;
  }
  return scale;
}

/** Equivalence of two items: text without regard to case and spacing, numbers to the lesser precision, never unknown. */
export function equivalentItems(a: Item, b: Item): boolean {
  const [x, y] = [worthOf(a), worthOf(b)];
  if (x?.kind === "string" && y?.kind === "string") {
    const fold = (text: string): string => text.trim().replace(/\s+/g, " ").toLowerCase();
    return fold(x.value) === fold(y.value);
  }
  if (x?.kind === "number" && y?.kind === "number") {
    const scale = Math.min(withoutTrailingZeros(x.value), withoutTrailingZeros(y.value));
    const round = (value: DecimalValue): DecimalValue => roundDecimal(value, scale, "nearest");
    return compareDecimals(round(x.value), round(y.value)) === 0;
  }
  return equalItems(a, b) === true;
}

/** A date, dateTime or time as one of fhirpath.js's own values. */
export function temporalItem(kind: TemporalKind, text: string): Item {
  const Kind = { date: types.FP_Date, dateTime: types.FP_DateTime, time: types.FP_Time }[kind];
  return new Kind(text as never);
}

/** A number as fhirpath.js wants it: small integers as numbers, everything else exact. */
export function numberItem(value: DecimalValue, integer: boolean): Item {
  const small = value.coefficient < 2n ** 53n && value.coefficient > -(2n ** 53n);
  if (integer && value.scale === 0 && small) return Number(value.coefficient);
  return new ExactDecimal(value);
}

/** The number just between two written forms: half a unit in the last written place. */
export function halfUnit(value: DecimalValue): DecimalValue {
  return makeDecimal(5n, value.scale + 1, "computed");
}
