import { NUMBER_TYPE } from "./type-name.js";

/**
 * Exact decimals. Written decimals are text; computing casts them to a fixed-point number with 20 digits before the point and 18
 * behind it. Guards keep every step inside that range, so that data can never make the engine stop with an overflow.
 */

/** Operands of one digit less, so that their sum always fits. */
const SUMMAND = "DECIMAL(37,18)";
/** Operands whose product always fits. */
const FACTOR = "DECIMAL(19,9)";

/** Texts of up to this length have at most 15 digits, which floating point tells apart. */
const EXACT_LENGTH = 15;

/**
 * A struct that orders decimals of one sign digit by digit: where the first significant digit stands, then all significant digits. The
 * text is bound to a lambda variable, because it is needed often.
 */
function exactKey(text: string): string {
  const mantissa = "ltrim(regexp_replace(k, '[eE].*$', ''), '+-')";
  const digits = `replace(${mantissa}, '.', '')`;
  const exponent = "coalesce(TRY_CAST(regexp_extract(k, '[eE]([+-]?[0-9]+)$', 1) AS INTEGER), 0)";
  const leading = `(length(${digits}) - length(ltrim(${digits}, '0')))`;
  const significant = `trim(${digits}, '0')`;
  const magnitude = `CASE WHEN ${significant} = '' THEN -2000000000 ELSE strpos(${mantissa} || '.', '.') + ${exponent} - ${leading} END`;
  return `list_transform([${text}], lambda k: {'magnitude': ${magnitude}, 'digits': ${significant}})[1]`;
}

/**
 * Compares numbers of any size and precision: as floating point, and digit by digit where that finds long ones equal. Rounding to
 * floating point keeps order, so only equal results can hide a difference.
 */
export function compareNumbers(a: string, b: string, operator: "=" | "<" | "<="): string {
  const [x, y] = [`TRY_CAST(${a} AS DOUBLE)`, `TRY_CAST(${b} AS DOUBLE)`];
  const [s, t] = [`CAST(${a} AS VARCHAR)`, `CAST(${b} AS VARCHAR)`];
  const short = `length(${s}) <= ${EXACT_LENGTH} AND length(${t}) <= ${EXACT_LENGTH}`;
  return (
    `CASE WHEN ${x} <> ${y} THEN ${operator === "=" ? "FALSE" : `${x} < ${y}`} ` +
    `WHEN ${x} = ${y} THEN CASE WHEN ${short} THEN ${operator === "<" ? "FALSE" : "TRUE"} ` +
    `WHEN left(${s}, 1) = '-' THEN ${exactKey(t)} ${operator} ${exactKey(s)} ELSE ${exactKey(s)} ${operator} ${exactKey(t)} END END`
  );
}

/** Fraction digits of a decimal's text without trailing zeros; at least 0. */
function significantScale(text: string): string {
  const digits = `length(rtrim(regexp_extract(${text}, '\\.([0-9]+)', 1), '0'))`;
  const exponent = `coalesce(TRY_CAST(regexp_extract(${text}, '[eE]([+-]?[0-9]+)$', 1) AS INTEGER), 0)`;
  return `greatest(${digits} - ${exponent}, 0)`;
}

/** Equal after rounding to the decimals of the one that has fewer. */
export function equivalentNumbers(a: string, b: string): string {
  const scales = [a, b].map((x) => significantScale(`CAST(${x} AS VARCHAR)`));
  const scale = `least(${scales.join(", ")}, 18)`;
  const [x, y] = [`TRY_CAST(${a} AS DOUBLE)`, `TRY_CAST(${b} AS DOUBLE)`];
  return `CASE WHEN ${compareNumbers(a, b, "=")} THEN TRUE ELSE round(${x}, CAST(${scale} AS INTEGER)) = round(${y}, CAST(${scale} AS INTEGER)) END`;
}

export function addNumbers(a: string, b: string, operator: "+" | "-"): string {
  return `TRY_CAST(${a} AS ${SUMMAND}) ${operator} TRY_CAST(${b} AS ${SUMMAND})`;
}

/** Exact when both factors have at most 9 decimals and 10 digits before the point, else through floating point. */
export function multiplyNumbers(a: string, b: string): string {
  const fits = (x: string): string => `TRY_CAST(${x} AS ${FACTOR}) = ${x}`;
  const exact = `TRY_CAST(${a} AS ${FACTOR}) * TRY_CAST(${b} AS ${FACTOR})`;
  const rounded = `TRY_CAST(CAST(${a} AS DOUBLE) * CAST(${b} AS DOUBLE) AS ${NUMBER_TYPE})`;
  return `CASE WHEN ${fits(a)} AND ${fits(b)} THEN ${exact} ELSE ${rounded} END`;
}

/** The quotient to 15 significant digits, as many as floating point has for certain; NULL for a divisor of zero. */
export function divideNumbers(a: string, b: string): string {
  const quotient = `CAST(${a} AS DOUBLE) / nullif(CAST(${b} AS DOUBLE), 0)`;
  const digits = "CAST(14 - floor(log10(abs(k))) AS INTEGER)";
  const rounded = `CASE WHEN k = 0 THEN k WHEN k IS NOT NULL THEN round(k, ${digits}) END`;
  // The engine writes a floating-point number with the fewest digits that tell it apart.
  return `TRY_CAST(CAST(list_transform([${quotient}], lambda k: ${rounded})[1] AS VARCHAR) AS ${NUMBER_TYPE})`;
}

/** Text of a number without trailing zeros or a trailing point. */
export function numberText(value: string): string {
  return `rtrim(rtrim(CAST(${value} AS VARCHAR), '0'), '.')`;
}

/** Fraction digits that a decimal is written with, exponent included; negative for `1e3`. */
function writtenScale(text: string): string {
  const digits = `length(regexp_extract(${text}, '\\.([0-9]+)', 1))`;
  const exponent = `coalesce(TRY_CAST(regexp_extract(${text}, '[eE]([+-]?[0-9]+)$', 1) AS INTEGER), 0)`;
  return `(${digits} - ${exponent})`;
}

/** Half a unit in the last written place, up to 17 places. */
function halfUnit(text: string): string {
  const scale = writtenScale(text);
  const below = `TRY_CAST('0.' || repeat('0', ${scale}) || '5' AS ${NUMBER_TYPE})`;
  const above = `TRY_CAST('5' || repeat('0', -${scale} - 1) AS ${NUMBER_TYPE})`;
  return `CASE WHEN ${scale} >= 0 THEN ${below} ELSE ${above} END`;
}

/**
 * The boundary of a written decimal: half a unit of its last place below or above, then down or up to `digits` decimals (0 to 8; NULL
 * outside).
 */
export function decimalBoundary(text: string, side: "low" | "high", digits: string | undefined): string {
  const value = `TRY_CAST(${text} AS ${NUMBER_TYPE})`;
  const edge = addNumbers(value, halfUnit(text), side === "low" ? "-" : "+");
  const cut = (scale: number): string => {
    const type = `DECIMAL(38,${scale})`;
    const unit = scale === 0 ? "1" : `0.${"0".repeat(scale - 1)}1`;
    const rounded = `TRY_CAST(${edge} AS ${type})`;
    const beyond = side === "low" ? `${rounded} > ${edge}` : `${rounded} < ${edge}`;
    const step = `CAST(${unit} AS DECIMAL(${scale + 2},${scale}))`;
    const stepped = `TRY_CAST(${rounded} AS DECIMAL(36,${scale})) ${side === "low" ? "-" : "+"} ${step}`;
    const result = `(CASE WHEN ${beyond} THEN ${stepped} ELSE ${rounded} END)`;
    return scale === 0 ? `CAST(${result} AS VARCHAR)` : numberText(result);
  };
  if (digits === undefined) return cut(8);
  const cases = Array.from({ length: 9 }, (_, scale) => `WHEN ${scale} THEN ${cut(scale)}`);
  return `CASE ${digits} ${cases.join(" ")} END`;
}
