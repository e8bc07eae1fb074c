/**
 * Exact decimals for the oracle: an integer coefficient and a power of ten, with the text the value was written in.
 * Only division, roots and logarithms leave exactness; their results say so, and are compared with a tolerance.
 */

/** Where a decimal's digits come from: a source text, exact arithmetic, or a rounded operation. */
export type DecimalOrigin = "written" | "computed" | "rounded";

export interface DecimalValue {
  readonly coefficient: bigint;
  /** Number of digits after the point; never negative. */
  readonly scale: number;
  /** Digits as written, `scale` of an exponent form included. */
  readonly text: string;
  readonly origin: DecimalOrigin;
}

const divisionScale = 20;

/** `10 ** n` as a bigint. */
export function powerOfTen(n: number): bigint {
  return 10n ** BigInt(n);
}

/** Parses a JSON or FHIRPath number; undefined when `text` is no number or its exponent is over 400. */
export function parseDecimal(text: string, origin: DecimalOrigin = "written"): DecimalValue | undefined {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const fraction = match[3] ?? "";
  const exponent = Number(match[4] ?? "0");
  if (Math.abs(exponent) > 400) return undefined;
  let coefficient = BigInt(match[2] + fraction);
  let scale = fraction.length - exponent;
  if (scale < 0) {
    coefficient *= powerOfTen(-scale);
    scale = 0;
  }
  return { coefficient: match[1] === "-" ? -coefficient : coefficient, scale, text, origin };
}

/** A computed decimal, printed plainly with `scale` digits after the point. */
export function makeDecimal(coefficient: bigint, scale: number, origin: DecimalOrigin): DecimalValue {
  const digits = (coefficient < 0n ? -coefficient : coefficient).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const text = `${coefficient < 0n ? "-" : ""}${whole}${scale === 0 ? "" : `.${digits.slice(digits.length - scale)}`}`;
  return { coefficient, scale, text, origin };
}

function aligned(a: DecimalValue, b: DecimalValue): [bigint, bigint, number] {
  const scale = Math.max(a.scale, b.scale);
  return [a.coefficient * powerOfTen(scale - a.scale), b.coefficient * powerOfTen(scale - b.scale), scale];
}

function mergedOrigin(a: DecimalValue, b: DecimalValue): DecimalOrigin {
  return a.origin === "rounded" || b.origin === "rounded" ? "rounded" : "computed";
}

/** Negative, zero or positive, like a comparator. */
export function compareDecimals(a: DecimalValue, b: DecimalValue): number {
  const [x, y] = aligned(a, b);
  return x < y ? -1 : x > y ? 1 : 0;
}

export function addDecimals(a: DecimalValue, b: DecimalValue): DecimalValue {
  const [x, y, scale] = aligned(a, b);
  return makeDecimal(x + y, scale, mergedOrigin(a, b));
}

export function negateDecimal(a: DecimalValue): DecimalValue {
  return makeDecimal(-a.coefficient, a.scale, a.origin === "rounded" ? "rounded" : "computed");
}

export function multiplyDecimals(a: DecimalValue, b: DecimalValue): DecimalValue {
  return makeDecimal(a.coefficient * b.coefficient, a.scale + b.scale, mergedOrigin(a, b));
}

/** The quotient; undefined for a divisor of zero. Marked as rounded when 20 digits do not hold it. */
export function divideDecimals(a: DecimalValue, b: DecimalValue): DecimalValue | undefined {
  if (b.coefficient === 0n) return undefined;
  const numerator = a.coefficient * powerOfTen(divisionScale + b.scale);
  const denominator = b.coefficient * powerOfTen(a.scale);
  const exact = numerator % denominator === 0n && mergedOrigin(a, b) !== "rounded";
  return makeDecimal(numerator / denominator, divisionScale, exact ? "computed" : "rounded");
}

/** The quotient without its fraction (towards zero); undefined for a divisor of zero. */
export function integerQuotient(a: DecimalValue, b: DecimalValue): bigint | undefined {
  const [x, y] = aligned(a, b);
  return y === 0n ? undefined : x / y;
}

/** `a - b * integerQuotient(a, b)`; undefined for a divisor of zero. */
export function remainder(a: DecimalValue, b: DecimalValue): DecimalValue | undefined {
  const [x, y, scale] = aligned(a, b);
  return y === 0n ? undefined : makeDecimal(x % y, scale, mergedOrigin(a, b));
}

/** Rounds to `scale` digits after the point. `nearest` rounds halves away from zero. */
export function roundDecimal(
  a: DecimalValue,
  scale: number,
  mode: "floor" | "ceiling" | "truncate" | "nearest",
): DecimalValue {
  if (a.scale <= scale) return makeDecimal(a.coefficient * powerOfTen(scale - a.scale), scale, "computed");
  const unit = powerOfTen(a.scale - scale);
  const towardsZero = a.coefficient / unit;
  const rest = a.coefficient % unit;
  const sign = a.coefficient < 0n ? -1n : 1n;
  const magnitude = rest < 0n ? -rest : rest;
  let result = towardsZero;
  if (mode === "floor" && rest < 0n) result -= 1n;
  if (mode === "ceiling" && rest > 0n) result += 1n;
  if (mode === "nearest" && magnitude * 2n >= unit) result += sign;
  return makeDecimal(result, scale, a.origin === "rounded" ? "rounded" : "computed");
}

/** The value as a double, for functions that have no exact result. */
export function toDouble(a: DecimalValue): number {
  return Number(a.text);
}

/** A rounded decimal from a double; undefined when it is not finite. */
export function fromDouble(value: number): DecimalValue | undefined {
  return Number.isFinite(value) ? parseDecimal(String(value), "rounded") : undefined;
}
