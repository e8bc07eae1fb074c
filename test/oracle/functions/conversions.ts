import { compareDecimals, makeDecimal, parseDecimal } from "../decimal.js";
import { ExactDecimal, type Item, type UserFunction } from "../engine.js";
import { single } from "../operators.js";
import { parseTemporal, type TemporalKind } from "../temporal.js";
import { numberItem, temporalItem, worthOf } from "../values.js";
import { plain } from "./plain.js";

function toInteger(input: Item[]): Item[] {
  const item = single(input, "toInteger");
  const value = item === undefined ? undefined : worthOf(item);
  if (value?.kind === "boolean") return [value.value ? 1 : 0];
  if (value?.kind === "number" && value.integer) return [numberItem(value.value, true)];
  if (value?.kind === "string" && /^[+-]?\d{1,9}$/.test(value.value)) return [Number(value.value)];
  return [];
}

function toDecimal(input: Item[]): Item[] {
  const item = single(input, "toDecimal");
  const value = item === undefined ? undefined : worthOf(item);
  if (value?.kind === "boolean") return [new ExactDecimal(makeDecimal(value.value ? 1n : 0n, 0, "computed"))];
  if (value?.kind === "number") return [new ExactDecimal(value.value)];
  if (value?.kind !== "string" || !/^[+-]?\d+(\.\d+)?$/.test(value.value)) return [];
  return [new ExactDecimal({ ...parseDecimal(value.value)!, origin: "computed" })];
}

function toText(input: Item[]): Item[] {
  const item = single(input, "toString");
  const value = item === undefined ? undefined : worthOf(item);
  if (value === undefined) return [];
  switch (value.kind) {
    case "complex":
    case "quantity":
      return [];
    case "number":
    case "temporal":
      return [value.value.text];
    default:
      return [String(value.value)];
  }
}

function toBoolean(input: Item[]): Item[] {
  const item = single(input, "toBoolean");
  const value = item === undefined ? undefined : worthOf(item);
  if (value?.kind === "boolean") return [value.value];
  if (value?.kind === "number") {
    if (compareDecimals(value.value, makeDecimal(1n, 0, "computed")) === 0) return [true];
    return value.value.coefficient === 0n ? [false] : [];
  }
  if (value?.kind !== "string") return [];
  const word = value.value.toLowerCase();
  if (["true", "t", "yes", "y", "1", "1.0"].includes(word)) return [true];
  return ["false", "f", "no", "n", "0", "0.0"].includes(word) ? [false] : [];
}

function toTemporal(kind: TemporalKind): (input: Item[]) => Item[] {
  return (input) => {
    const item = single(input, "a conversion");
    const value = item === undefined ? undefined : worthOf(item);
    if (value?.kind !== "string" && value?.kind !== "temporal") return [];
    const text = value.kind === "string" ? value.value : value.value.text;
    if (kind === "time" && value.kind === "temporal" && value.value.kind !== "time") return [];
    const cut = kind === "date" && parseTemporal(text, "dateTime") !== undefined ? text.slice(0, 10) : text;
    return parseTemporal(cut, kind) === undefined ? [] : [temporalItem(kind, cut)];
  };
}

/** Whether a conversion gives something; empty for an input without a value. */
function convertible(convert: (input: Item[]) => Item[]): UserFunction {
  return plain({ 0: [] }, (input) => {
    const item = single(input, "a conversion");
    return item === undefined || worthOf(item) === undefined ? [] : convert(input).length > 0;
  });
}

/** fhirpath.js loses the digits of decimals, and converts no dates to each other. */
export const conversions: Record<string, UserFunction> = {
  toInteger: plain({ 0: [] }, toInteger),
  toDecimal: plain({ 0: [] }, toDecimal),
  toString: plain({ 0: [] }, toText),
  toBoolean: plain({ 0: [] }, toBoolean),
  toDate: plain({ 0: [] }, toTemporal("date")),
  toDateTime: plain({ 0: [] }, toTemporal("dateTime")),
  toTime: plain({ 0: [] }, toTemporal("time")),
  convertsToBoolean: convertible(toBoolean),
  convertsToDate: convertible(toTemporal("date")),
  convertsToDateTime: convertible(toTemporal("dateTime")),
  convertsToTime: convertible(toTemporal("time")),
  convertsToInteger: convertible(toInteger),
  convertsToDecimal: convertible(toDecimal),
  convertsToString: convertible(toText),
};
