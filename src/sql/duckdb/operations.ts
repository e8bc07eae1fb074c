import { BOOLEAN, type DataType, type Operation } from "#plan";
import { compareNumbers, equivalentNumbers } from "./decimal.js";
import { CONVERSIONS } from "./operation/conversions.js";
import { LISTS } from "./operation/lists.js";
import { MOMENTS } from "./operation/moments.js";
import { NUMBERS } from "./operation/numbers.js";
import { first, infix, named, type Spelling } from "./operation/spelling.js";
import { TEXTS } from "./operation/texts.js";
import { momentCast } from "./temporal.js";
import { typeName } from "./type-name.js";
import type { Value } from "./value.js";

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

const SPELLINGS: Readonly<Record<Exclude<Operation, "cast" | "toJson">, Spelling>> = {
  ...LOGIC,
  ...NUMBERS,
  ...TEXTS,
  ...CONVERSIONS,
  ...MOMENTS,
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
