import { BIGINT, BOOLEAN, type DataType, INTEGER, listOf, NUMBER, type Operation, TEXT } from "#plan";
import {
  addNumbers,
  compareNumbers,
  decimalBoundary,
  divideNumbers,
  equivalentNumbers,
  multiplyNumbers,
  numberText,
} from "./decimal.js";
import { stringLiteral } from "./quote.js";
import {
  addTemporal,
  compareDateTimes,
  compareTimes,
  compareWithDate,
  dateBoundary,
  dateTimeBoundary,
  momentCast,
  temporalPart,
  timeBoundary,
} from "./temporal.js";
import { NUMBER_TYPE, typeName } from "./type-name.js";
import type { Value } from "./value.js";

/** How one operation is written: its SQL text and the type of its result. Arguments are bound values, none of them constant NULL. */
interface Spelling {
  readonly type: DataType | ((args: readonly Value[]) => DataType);
  readonly sql: (args: readonly string[], values: readonly Value[]) => string;
}

function infix(operator: string, type: Spelling["type"]): Spelling {
  return { type, sql: (args) => `(${args.join(` ${operator} `)})` };
}

function named(name: string, type: Spelling["type"]): Spelling {
  return { type, sql: (args) => `${name}(${args.join(", ")})` };
}

const first = (args: readonly Value[]): DataType => args[0]!.type;
const itemType = (args: readonly Value[]): DataType => {
  const type = args[0]!.type;
  return type.kind === "list" ? type.item : type;
};
const nested = (args: readonly Value[]): DataType => {
  const type = args[0]!.type;
  return type.kind === "list" ? type.item : type;
};

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

const LOGIC = {
  and: infix("AND", BOOLEAN),
  or: infix("OR", BOOLEAN),
  not: { type: BOOLEAN, sql: ([a]) => `(NOT ${a})` },
  isNull: { type: BOOLEAN, sql: ([a]) => `(${a} IS NULL)` },
  isNotNull: { type: BOOLEAN, sql: ([a]) => `(${a} IS NOT NULL)` },
  isTrue: { type: BOOLEAN, sql: ([a]) => `(${a} IS NOT DISTINCT FROM TRUE)` },
  equal: infix("=", BOOLEAN),
  less: infix("<", BOOLEAN),
  lessOrEqual: infix("<=", BOOLEAN),
  equalNumber: { type: BOOLEAN, sql: ([a, b]) => `(${compareNumbers(a!, b!, "=")})` },
  lessNumber: { type: BOOLEAN, sql: ([a, b]) => `(${compareNumbers(a!, b!, "<")})` },
  equivalentNumber: { type: BOOLEAN, sql: ([a, b]) => `(${equivalentNumbers(a!, b!)})` },
  lessOrEqualNumber: { type: BOOLEAN, sql: ([a, b]) => `(${compareNumbers(a!, b!, "<=")})` },
  coalesce: named("coalesce", first),
} satisfies Partial<Record<Operation, Spelling>>;

const NUMBERS = {
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

const integer = (sql: string): string => `CAST(${sql} AS INTEGER)`;

/** Characters that stand for others inside the replacement text of regexp_replace. */
function patternReplacement(sql: string): string {
  // FHIRPath writes groups as $1, the engine as \1; a backslash in the text stands for itself.
  return `regexp_replace(replace(${sql}, '\\', '\\\\'), '\\$([0-9])', '\\\\\\1', 'g')`;
}

function encoded(format: string, sql: string): string {
  if (format === "hex") return `lower(hex(${sql}))`;
  const base64 = `base64(encode(${sql}))`;
  return format === "urlbase64" ? `replace(replace(${base64}, '+', '-'), '/', '_')` : base64;
}

function decoded(format: string, sql: string): string {
  const bytes =
    format === "hex"
      ? "CASE WHEN regexp_full_match(k, '([0-9a-fA-F]{2})*') THEN unhex(k) END"
      : "CASE WHEN regexp_full_match(k, '([A-Za-z0-9+/_-]{4})*([A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?') THEN from_base64(replace(replace(k, '-', '+'), '_', '/')) END";
  // The operand is evaluated outside of TRY, which would hide its errors.
  return `list_extract(list_transform([${sql}], lambda k: TRY(decode(${bytes}))), 1)`;
}

const HTML: readonly (readonly [string, string])[] = [
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
];

function replaceAll(sql: string, pairs: readonly (readonly [string, string])[]): string {
  return pairs.reduce(
    (text, [from, to]) => `replace(${text}, ${stringLiteral(from)}, ${stringLiteral(to)})`,
    sql,
  );
}

/** The text of a literal argument, which the checks before have made sure of. */
function literalText(value: Value): string {
  return /^'(.*)'$/s.exec(value.sql)?.[1]?.replaceAll("''", "'") ?? "";
}

const TEXTS = {
  concatenate: infix("||", TEXT),
  textLength: { type: INTEGER, sql: ([a]) => integer(`length(${a})`) },
  substring: {
    type: TEXT,
    sql: ([a, start, length]) => {
      const inside = `${start} >= 0 AND ${start} < length(${a})`;
      const count = length === undefined ? "" : `, greatest(${length}, 0)`;
      return `(CASE WHEN ${inside} THEN substr(${a}, ${start} + 1${count}) END)`;
    },
  },
  position: {
    type: INTEGER,
    sql: ([a, part]) => integer(`(CASE WHEN ${part} = '' THEN 0 ELSE strpos(${a}, ${part}) - 1 END)`),
  },
  lastPosition: {
    type: INTEGER,
    sql: ([a, part]) => {
      const fromEnd = `strpos(reverse(${a}), reverse(${part}))`;
      const found = `CASE WHEN strpos(${a}, ${part}) = 0 THEN -1 ELSE length(${a}) - length(${part}) - ${fromEnd} + 1 END`;
      return integer(`(CASE WHEN ${part} = '' THEN length(${a}) ELSE ${found} END)`);
    },
  },
  startsWith: named("starts_with", BOOLEAN),
  endsWith: named("ends_with", BOOLEAN),
  containsText: named("contains", BOOLEAN),
  upper: named("upper", TEXT),
  lower: named("lower", TEXT),
  trim: { type: TEXT, sql: ([a]) => `regexp_replace(${a}, '^\\s+|\\s+$', '', 'g')` },
  replaceText: {
    type: TEXT,
    sql: ([a, from, to]) =>
      `(CASE WHEN ${from} = '' THEN ${to} || regexp_replace(${a}, '(.)', '\\1' || replace(${to}, '\\', '\\\\'), 'gs') ELSE replace(${a}, ${from}, ${to}) END)`,
  },
  matches: { type: BOOLEAN, sql: ([a, pattern]) => `regexp_matches(${a}, ${pattern}, 's')` },
  matchesFull: { type: BOOLEAN, sql: ([a, pattern]) => `regexp_full_match(${a}, ${pattern}, 's')` },
  replaceMatches: {
    type: TEXT,
    sql: ([a, pattern, to]) => `regexp_replace(${a}, ${pattern}, ${patternReplacement(to!)}, 'g')`,
  },
  characters: {
    type: listOf(TEXT),
    sql: ([a]) => `(CASE WHEN ${a} <> '' THEN string_split(${a}, '') ELSE [] END)`,
  },
  splitText: {
    type: listOf(TEXT),
    sql: ([a, separator]) => `(CASE WHEN ${separator} IS NOT NULL THEN string_split(${a}, ${separator}) END)`,
  },
  encode: { type: TEXT, sql: ([a], values) => encoded(literalText(values[1]!), a!) },
  decode: { type: TEXT, sql: ([a], values) => decoded(literalText(values[1]!), a!) },
  escapeText: {
    type: TEXT,
    sql: ([a], values) => {
      if (literalText(values[1]!) === "html") return replaceAll(a!, HTML);
      const json = `CAST(to_json(${a}) AS VARCHAR)`;
      return `substr(${json}, 2, length(${json}) - 2)`;
    },
  },
  unescapeText: {
    type: TEXT,
    sql: ([a], values) =>
      literalText(values[1]!) === "html"
        ? replaceAll(
            a!,
            [...HTML].reverse().map(([plain, escaped]) => [escaped, plain] as const),
          )
        : `(CASE WHEN json_valid('"' || ${a} || '"') THEN json_extract_string('"' || ${a} || '"', '$') END)`,
  },
} satisfies Partial<Record<Operation, Spelling>>;

const DATE_PATTERN = "[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?";
const CLOCK_PATTERN = "([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\\.[0-9]+)?)?)?";
const ZONE_PATTERN = "(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])";

/** The text itself when it has the form, else NULL. */
function ifMatches(pattern: string, result: (sql: string) => string = (sql) => sql): Spelling {
  return {
    type: TEXT,
    sql: ([a]) => `(CASE WHEN regexp_full_match(${a}, '${pattern}') THEN ${result(a!)} END)`,
  };
}

const CONVERSIONS = {
  text: { type: TEXT, sql: ([a]) => `CAST(${a} AS VARCHAR)` },
  parseBoolean: {
    type: BOOLEAN,
    sql: ([a]) =>
      `(CASE WHEN lower(${a}) IN ('true', 't', 'yes', 'y', '1', '1.0') THEN TRUE WHEN lower(${a}) IN ('false', 'f', 'no', 'n', '0', '0.0') THEN FALSE END)`,
  },
  parseInteger: {
    type: INTEGER,
    sql: ([a]) => `(CASE WHEN regexp_full_match(${a}, '[+-]?[0-9]+') THEN TRY_CAST(${a} AS INTEGER) END)`,
  },
  parseLong: {
    type: BIGINT,
    sql: ([a]) => `(CASE WHEN regexp_full_match(${a}, '[+-]?[0-9]+') THEN TRY_CAST(${a} AS BIGINT) END)`,
  },
  parseDecimal: ifMatches("[+-]?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?", (a) => `ltrim(${a}, '+')`),
  parseDate: ifMatches(`${DATE_PATTERN}(T(${CLOCK_PATTERN}${ZONE_PATTERN}?)?)?`, (a) => `left(${a}, 10)`),
  parseDateTime: ifMatches(
    `${DATE_PATTERN}|[0-9]{4}-[0-9]{2}-[0-9]{2}T(${CLOCK_PATTERN}${ZONE_PATTERN}?)?`,
    (a) => `rtrim(${a}, 'T')`,
  ),
  parseTime: ifMatches(`T?${CLOCK_PATTERN}`, (a) => `ltrim(${a}, 'T')`),
  dateOfDateTime: { type: TEXT, sql: ([a]) => `left(${a}, 10)` },
} satisfies Partial<Record<Operation, Spelling>>;

const DATE_CONSTANT = /^'(\d{4}(?:-\d{2}(?:-\d{2})?)?)'$/;

function compareTemporal(a: string, b: string): string {
  const [left, right] = [DATE_CONSTANT.exec(a)?.[1], DATE_CONSTANT.exec(b)?.[1]];
  if (right !== undefined) return compareWithDate(a, right);
  if (left !== undefined) return `-(${compareWithDate(b, left)})`;
  return compareDateTimes(a, b);
}

const TEMPORAL = {
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

const ID = "[A-Za-z0-9.-]{1,64}";

/**
 * The last `Type/id` of a reference to a resource, relative or absolute, with or without a version; a conditional reference has none.
 * Nearly all references are plain `Type/id`, which simple text functions recognise many times faster than the pattern for the rest.
 */
function referenceKeyPath(reference: string, type: string | undefined): string {
  const name = type === undefined ? "[A-Z][A-Za-z]*" : type.slice(1, -1);
  const found = `regexp_extract(${reference}, '(?:^|/)(${name}/${ID})(?:/_history/[^/]*)?$', 1)`;
  const noQuery = `NOT contains(${reference}, '?')`;
  const starts =
    type === undefined
      ? `${reference} LIKE '_%/_%' AND ${reference} >= 'A' AND ${reference} < '['`
      : `starts_with(${reference}, '${name}/') AND ${reference} <> '${name}/'`;
  const possible = type === undefined ? `contains(${reference}, '/')` : `contains(${reference}, '${name}/')`;
  return (
    `CASE WHEN ${starts} AND ${reference} NOT LIKE '%/%/%' AND ${noQuery} THEN ${reference} ` +
    `WHEN ${possible} AND ${noQuery} THEN nullif(${found}, '') END`
  );
}

function zippedType(values: DataType, elements: DataType): DataType {
  const item = (type: DataType): DataType => (type.kind === "list" ? type.item : type);
  const fields = new Map([
    ["value", item(values)],
    ["element", item(elements)],
  ]);
  return listOf({ kind: "struct", fields });
}

/** Pairs by position. A side that is NULL whatever the data must not be indexed: the engine would lose its type. */
function zipElements(values: Value, elements: Value): string {
  const nothing = (side: Value): string => `CAST(NULL AS ${typeName(itemType([side]))})`;
  if (elements.constant === null) {
    const kept = `list_filter(${values.sql}, lambda z: z IS NOT NULL)`;
    return `list_transform(${kept}, lambda z: {'value': z, 'element': ${nothing(elements)}})`;
  }
  const sides = [values, elements].filter((side) => side.constant !== null);
  const lengths = sides.map((side) => `coalesce(len(${side.sql}), 0)`);
  const length = lengths.length === 1 ? lengths[0]! : `greatest(${lengths.join(", ")})`;
  const at = (side: Value): string =>
    side.constant === null ? nothing(side) : `list_extract(${side.sql}, z)`;
  const zipped = `list_transform(range(1, ${length} + 1), lambda z: {'value': ${at(values)}, 'element': ${at(elements)}})`;
  const present = "struct_extract(z, 'value') IS NOT NULL OR struct_extract(z, 'element') IS NOT NULL";
  return `(CASE WHEN ${length} > 0 THEN list_filter(${zipped}, lambda z: ${present}) END)`;
}

/** Items from a position on; the engine would take a NULL bound for an open one. */
function listSlice(list: string, start: string, count: string | undefined): string {
  const bounds = count === undefined ? [start] : [start, count];
  const isLiteral = (sql: string): boolean => /^\d+$/.test(sql);
  const [from, limit] = bounds.map((sql) => (isLiteral(sql) ? sql : `greatest(${sql}, 0)`));
  const slice = `list_slice(${list}, ${from} + 1, ${limit === undefined ? `len(${list})` : `${from} + ${limit}`})`;
  const open = bounds.filter((sql) => !isLiteral(sql)).map((sql) => `${sql} IS NOT NULL`);
  return open.length === 0 ? slice : `(CASE WHEN ${open.join(" AND ")} THEN ${slice} END)`;
}

const LISTS = {
  listLength: { type: BIGINT, sql: ([a]) => `coalesce(len(${a}), 0)` },
  listItem: {
    type: itemType,
    sql: ([a, index]) =>
      /^\d+$/.test(index!)
        ? `list_extract(${a}, ${Number(index) + 1})`
        : `list_extract(${a}, CASE WHEN ${index} >= 0 THEN ${index} + 1 END)`,
  },
  listSlice: { type: first, sql: ([a, start, count]) => listSlice(a!, start!, count) },
  onlyItem: {
    type: itemType,
    // A list that is already there can be named twice; any other is bound first, so that it is computed once.
    sql: ([a, failure]) =>
      /^"[^"]+"$/.test(a!)
        ? `(CASE WHEN len(${a}) > 1 THEN ${failure} ELSE list_extract(${a}, 1) END)`
        : `list_extract(list_transform([${a}], lambda k: CASE WHEN len(k) > 1 THEN ${failure} ELSE list_extract(k, 1) END), 1)`,
  },
  flatten: { type: nested, sql: ([a]) => `flatten(${a})` },
  listConcatenate: named("list_concat", first),
  listOf: {
    type: (args) => listOf(args[0]!.type),
    sql: ([a]) => `(CASE WHEN ${a} IS NOT NULL THEN [${a}] ELSE [] END)`,
  },
  listRange: { type: listOf(BIGINT), sql: ([a]) => `range(${a})` },
  listDistinct: {
    type: first,
    sql: ([a]) => `list_filter(${a}, lambda d, di: list_position(${a}, d) = di)`,
  },
  listContains: named("list_contains", BOOLEAN),
  listEqual: infix("=", BOOLEAN),
  listReverse: named("list_reverse", first),
  zipElements: {
    type: ([values, elements]) => zippedType(values!.type, elements!.type),
    sql: (_args, [values, elements]) => zipElements(values!, elements!),
  },
  listJoin: {
    type: TEXT,
    sql: ([a, separator]) => {
      // The engine joins with a constant separator only.
      const constant = /^\(?E?'/.test(separator!);
      const joined = constant
        ? `array_to_string(${a}, ${separator})`
        : `list_reduce(${a}, lambda d, e: d || ${separator} || e)`;
      return `(CASE WHEN len(${a}) > 0 THEN ${joined} END)`;
    },
  },
  listAny: { type: BOOLEAN, sql: ([a]) => `coalesce(list_bool_or(${a}), FALSE)` },
  listAll: {
    type: BOOLEAN,
    sql: ([a]) => `coalesce(list_bool_and(list_transform(${a}, lambda d: coalesce(d, FALSE))), TRUE)`,
  },
  listAllKnown: {
    type: BOOLEAN,
    sql: ([a]) =>
      `(CASE WHEN list_contains(${a}, FALSE) THEN FALSE WHEN len(list_filter(${a}, lambda d: d IS NULL)) = 0 THEN TRUE END)`,
  },
  listSum: { type: NUMBER, sql: ([a]) => `TRY_CAST(list_sum(${a}) AS ${NUMBER_TYPE})` },
  listMinimum: named("list_min", NUMBER),
  listMaximum: named("list_max", NUMBER),
  referenceKeyPath: { type: TEXT, sql: ([a, type]) => `(${referenceKeyPath(a!, type)})` },
} satisfies Partial<Record<Operation, Spelling>>;

const SPELLINGS: Readonly<Record<Exclude<Operation, "cast" | "toJson">, Spelling>> = {
  ...LOGIC,
  ...NUMBERS,
  ...TEXTS,
  ...CONVERSIONS,
  ...TEMPORAL,
  ...LISTS,
};

/** The SQL of an operation on bound values. */
export function spell(operation: Exclude<Operation, "cast" | "toJson">, args: readonly Value[]): Value {
  const spelling: Spelling = SPELLINGS[operation];
  const type = typeof spelling.type === "function" ? spelling.type(args) : spelling.type;
  return {
    sql: spelling.sql(
      args.map((arg) => arg.sql),
      args,
    ),
    type,
  };
}

/** Result type of an operation, for operands that are NULL whatever the data. */
export function resultType(
  operation: Exclude<Operation, "cast" | "toJson">,
  args: readonly Value[],
): DataType {
  const spelling: Spelling = SPELLINGS[operation];
  return typeof spelling.type === "function" ? spelling.type(args) : spelling.type;
}

function isText(type: DataType): boolean {
  return type.kind === "scalar" && type.type === "text";
}

function isMoment(type: DataType): boolean {
  return type.kind === "scalar" && (type.type === "timestamp" || type.type === "timestamptz");
}

/** A conversion to an output type: NULL when the value has no such form. */
export function castTo(value: Value, type: DataType): string {
  if (isText(value.type) && isMoment(type)) return momentCast(value.sql, typeName(type));
  if (value.type.kind === "list" && isText(value.type.item) && type.kind === "list" && isMoment(type.item))
    return `list_transform(${value.sql}, lambda m: ${momentCast("m", typeName(type.item))})`;
  return `TRY_CAST(${value.sql} AS ${typeName(type)})`;
}
