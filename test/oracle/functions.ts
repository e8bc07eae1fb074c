import {
  addDecimals,
  compareDecimals,
  type DecimalValue,
  fromDouble,
  makeDecimal,
  negateDecimal,
  parseDecimal,
  roundDecimal,
  toDouble,
} from "./decimal.js";
import {
  dataOf,
  type EngineContext,
  ExactDecimal,
  type Item,
  keyPrefixVariable,
  type ResourceNode,
  type TypeName,
  types,
  type UserFunction,
} from "./engine.js";
import { distinctItems, holds, operatorFunctions, single } from "./operators.js";
import { boundaryOf, parseTemporal, type TemporalKind } from "./temporal.js";
import { halfUnit, numberItem, OracleError, temporalItem, worthOf } from "./values.js";

type Lambda = (item: Item) => Item[];

/** A function of the whole input and evaluated arguments. */
function plain(
  arity: Record<number, readonly string[]>,
  fn: (input: Item[], ...parameters: never[]) => unknown,
) {
  return { internalStructures: true as const, arity, fn };
}

function isTrue(items: readonly Item[]): boolean {
  const item = single(items, "a criterion");
  return item !== undefined && dataOf(item) === true;
}

function withIndex(context: EngineContext, items: readonly Item[], keep: (item: Item) => boolean): Item[] {
  return items.filter((item, index) => {
    context.$index = index;
    return keep(item);
  });
}

const filtering: Record<string, UserFunction> = {
  where: {
    internalStructures: true,
    arity: { 1: ["Expr"] },
    fn(this: EngineContext, input: Item[], criterion: Lambda) {
      return withIndex(this, input, (item) => isTrue(criterion(item)));
    },
  },
  exists: {
    internalStructures: true,
    arity: { 0: [], 1: ["Expr"] },
    fn(this: EngineContext, input: Item[], criterion?: Lambda) {
      if (criterion === undefined) return input.length > 0;
      return withIndex(this, input, (item) => isTrue(criterion(item))).length > 0;
    },
  },
  all: {
    internalStructures: true,
    arity: { 1: ["Expr"] },
    fn(this: EngineContext, input: Item[], criterion: Lambda) {
      return withIndex(this, input, (item) => isTrue(criterion(item))).length === input.length;
    },
  },
  distinct: plain({ 0: [] }, distinctItems),
  isDistinct: plain({ 0: [] }, (input) => distinctItems(input).length === input.length),
  union: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => distinctItems([...a, ...b])),
  intersect: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => distinctItems(a.filter((item) => holds(b, item)))),
  exclude: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => a.filter((item) => !holds(b, item))),
  subsetOf: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => a.every((item) => holds(b, item))),
  supersetOf: plain({ 1: ["AnyAtRoot"] }, (a, b: Item[]) => b.every((item) => holds(a, item))),
  take: plain({ 1: ["Integer"] }, (input, n: number) => input.slice(0, Math.max(0, n))),
  skip: plain({ 1: ["Integer"] }, (input, n: number) => input.slice(Math.max(0, n))),
  ofType: plain({ 1: ["TypeSpecifier"] }, (input, type: TypeName) =>
    input.filter((item) => isExactly(item, type)),
  ),
};

const systemTypes: Record<string, string> = {
  Boolean: "boolean",
  String: "string",
  Integer: "integer",
  Decimal: "decimal",
  Date: "date",
  DateTime: "dateTime",
  Time: "time",
};

function isExactly(item: Item, type: TypeName): boolean {
  const wanted = type.namespace === "FHIR" ? type.name : (systemTypes[type.name] ?? type.name);
  return item instanceof types.ResourceNode && (item as ResourceNode).fhirNodeDataType === wanted;
}

function text(input: Item[], what: string): string | undefined {
  const item = single(input, what);
  const data = item === undefined ? null : dataOf(item);
  if (data === null) return undefined;
  if (typeof data !== "string") throw new OracleError(`${what} takes a string`);
  return data;
}

/** String functions count code points; an empty argument gives empty. */
function ofText(
  kinds: readonly string[],
  fn: (characters: string[], ...parameters: never[]) => unknown,
): UserFunction {
  return {
    internalStructures: true,
    arity: { [kinds.length]: kinds },
    fn: (input, ...parameters) => {
      const value = text(input, "a string function");
      if (value === undefined || parameters.some((parameter) => Array.isArray(parameter))) return [];
      return fn(Array.from(value), ...parameters);
    },
  };
}

function substring(characters: string[], start: number, length?: number): string[] {
  if (start < 0 || start >= characters.length) return [];
  return [characters.slice(start, length === undefined ? undefined : start + Math.max(0, length)).join("")];
}

function indexOf(characters: string[], wanted: string): number {
  const at = characters.join("").indexOf(wanted);
  return at < 0 ? -1 : Array.from(characters.join("").slice(0, at)).length;
}

function encoding(format: string): BufferEncoding {
  const known: Record<string, BufferEncoding> = { base64: "base64", hex: "hex" };
  const found = known[format];
  if (found === undefined) throw new OracleError(`no encoding ${format}`);
  return found;
}

const strings: Record<string, UserFunction> = {
  length: ofText([], (characters) => characters.length),
  toChars: ofText([], (characters) => characters),
  indexOf: ofText(["String"], (characters, wanted: string) => indexOf(characters, wanted)),
  lastIndexOf: ofText(["String"], (characters, wanted: string) => {
    const at = characters.join("").lastIndexOf(wanted);
    return at < 0 ? -1 : Array.from(characters.join("").slice(0, at)).length;
  }),
  encode: ofText(["String"], (characters, format: string) =>
    Buffer.from(characters.join("")).toString(encoding(format)),
  ),
  decode: ofText(["String"], (characters, format: string) =>
    Buffer.from(characters.join(""), encoding(format)).toString(),
  ),
  replace: ofText(["String", "String"], (characters, from: string, to: string) =>
    from === "" ? [to, ...characters, ""].join(to) : characters.join("").split(from).join(to),
  ),
  substring: {
    internalStructures: true,
    arity: { 1: ["Integer"], 2: ["Integer", "Integer"] },
    fn: (input: Item[], start: number | [], length?: number | []) => {
      const value = text(input, "substring");
      if (value === undefined || Array.isArray(start)) return [];
      return substring(Array.from(value), start, Array.isArray(length) ? undefined : length);
    },
  },
};

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

const numbers: Record<string, UserFunction> = {
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

const conversions: Record<string, UserFunction> = {
  toInteger: plain({ 0: [] }, toInteger),
  toDecimal: plain({ 0: [] }, toDecimal),
  toString: plain({ 0: [] }, toText),
  toBoolean: plain({ 0: [] }, toBoolean),
  toDate: plain({ 0: [] }, toTemporal("date")),
  toDateTime: plain({ 0: [] }, toTemporal("dateTime")),
  toTime: plain({ 0: [] }, toTemporal("time")),
  convertsToBoolean: plain({ 0: [] }, (input) => (input.length === 0 ? [] : toBoolean(input).length > 0)),
  convertsToDate: plain({ 0: [] }, (input) =>
    input.length === 0 ? [] : toTemporal("date")(input).length > 0,
  ),
  convertsToDateTime: plain({ 0: [] }, (input) =>
    input.length === 0 ? [] : toTemporal("dateTime")(input).length > 0,
  ),
  convertsToTime: plain({ 0: [] }, (input) =>
    input.length === 0 ? [] : toTemporal("time")(input).length > 0,
  ),
  convertsToInteger: plain({ 0: [] }, (input) => (input.length === 0 ? [] : toInteger(input).length > 0)),
  convertsToDecimal: plain({ 0: [] }, (input) => (input.length === 0 ? [] : toDecimal(input).length > 0)),
  convertsToString: plain({ 0: [] }, (input) => (input.length === 0 ? [] : toText(input).length > 0)),
};

function decimalBoundary(value: DecimalValue, high: boolean, precision: number | undefined): Item[] {
  const digits = precision ?? 8;
  if (digits < 0 || digits > 8) return [];
  const half = halfUnit(value);
  const edge = addDecimals(value, high ? half : negateDecimal(half));
  if (edge.scale <= digits) return [new ExactDecimal(edge)];
  return [new ExactDecimal(roundDecimal(edge, digits, high ? "ceiling" : "floor"))];
}

function boundary(high: boolean): UserFunction {
  const evaluate = (input: Item[], precision?: number | []): Item[] => {
    const item = single(input, "a boundary");
    const value = item === undefined ? undefined : worthOf(item);
    if (value === undefined || Array.isArray(precision)) return [];
    if (value.kind === "number") return decimalBoundary(value.value, high, precision);
    if (value.kind === "temporal") {
      const edge = boundaryOf(value.value, high, precision);
      if (edge === undefined) return [];
      const Kind = { date: types.FP_Date, dateTime: types.FP_DateTime, time: types.FP_Time }[
        value.value.kind
      ];
      return [new Kind(edge as never)];
    }
    throw new OracleError(`a ${value.kind} has no boundary`);
  };
  return plain({ 0: [], 1: ["Integer"] }, evaluate);
}

/** `Type/id` of a reference that names a resource: relative or absolute, with or without a version. */
export function referenceTarget(reference: string): { type: string; id: string } | undefined {
  const match =
    /^(?:https?:\/\/[^?#]*\/)?([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})(?:\/_history\/[^/?#]+)?$/.exec(
      reference,
    );
  return match === null ? undefined : { type: match[1]!, id: match[2]! };
}

function prefixOf(context: EngineContext): string {
  return (context.vars[keyPrefixVariable] as string | undefined) ?? "";
}

function referenceKeys(this: EngineContext, input: Item[], type?: TypeName): string[] {
  return input.flatMap((item) => {
    const reference = (dataOf(item) as { reference?: unknown } | null)?.reference;
    const target = typeof reference === "string" ? referenceTarget(reference) : undefined;
    if (target === undefined || (type !== undefined && type.name !== target.type)) return [];
    return [`${prefixOf(this)}${target.type}/${target.id}`];
  });
}

function resourceKeys(this: EngineContext, input: Item[]): string[] {
  return input.flatMap((item) => {
    const data = dataOf(item) as { resourceType?: unknown; id?: unknown } | null;
    if (typeof data?.resourceType !== "string" || typeof data.id !== "string") return [];
    return [`${prefixOf(this)}${data.resourceType}/${data.id}`];
  });
}

/** Everything that replaces or adds to fhirpath.js's own functions, with the reason beside each group. */
export const oracleFunctions: Record<string, UserFunction> = {
  ...operatorFunctions,
  // fhirpath.js takes a node holding `false` for true in criteria, and slices from the end for negative counts.
  ...filtering,
  // fhirpath.js counts UTF-16 units and reads `$&` in replacements.
  ...strings,
  // fhirpath.js has doubles only.
  ...numbers,
  ...conversions,
  // fhirpath.js lacks these (or leaves the zone off).
  lowBoundary: boundary(false),
  highBoundary: boundary(true),
  getReferenceKey: plain({ 0: [], 1: ["TypeSpecifier"] }, referenceKeys),
  getResourceKey: plain({ 0: [] }, resourceKeys),
};
