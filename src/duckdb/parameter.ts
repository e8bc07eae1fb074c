import {
  BIGINT,
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValue,
  HUGEINT,
  INTEGER,
  LIST,
  listValue,
  SQLNULL,
  TIMESTAMPTZ,
  VARCHAR,
} from "@duckdb/node-api";
import { LakeError } from "#kernel";

/** What a scalar parameter is. A number means what a literal of the same digits means in SQL. */
export type ScalarKind = "text" | "boolean" | "integer" | "decimal" | "double" | "date" | "timestamp";

/** A value to be bound by name; plain data, so that it can cross a process boundary. Numbers, dates and instants are their text. */
export type SqlParameter =
  | { readonly kind: "null" }
  | { readonly kind: ScalarKind; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly SqlParameter[] };

/** Values for the named parameters (`$name`) of a statement, with the types that they are bound as. */
export interface NamedParameters {
  readonly values: Record<string, DuckDBValue>;
  readonly types: Record<string, DuckDBType>;
}

interface Bound {
  readonly value: DuckDBValue;
  readonly type: DuckDBType;
}

const MOST_DIGITS = 38;
const DAY_MS = 86_400_000;

function outOfRange(kind: string): LakeError {
  return new LakeError(
    "invalid-input",
    "duckdb/bad-parameter",
    `A parameter is no ${kind} that SQL can hold.`,
  );
}

function integer(text: string): Bound {
  const value = BigInt(text);
  if (value >= -(2n ** 31n) && value < 2n ** 31n) return { value: Number(value), type: INTEGER };
  if (value >= -(2n ** 63n) && value < 2n ** 63n) return { value, type: BIGINT };
  if (value >= -(2n ** 127n) && value < 2n ** 127n) return { value, type: HUGEINT };
  throw outOfRange("integer");
}

/** A decimal of its digits as written, as in SQL; one of more digits than the type has is a double, also as in SQL. */
function decimal(text: string): Bound {
  const { width, scale } = shapeOf([text]);
  if (width > MOST_DIGITS) return { value: Number(text), type: DOUBLE };
  return {
    value: new DuckDBDecimalValue(BigInt(text.replace(".", "")), width, scale),
    type: DECIMAL(width, scale),
  };
}

function instant(text: string): Bound {
  const match = /^(.*?)(?:\.(\d{1,6})\d*)?(Z|[+-]\d{2}:\d{2})$/.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (match === null || Number.isNaN(ms)) throw outOfRange("instant");
  const micros = BigInt(ms) * 1000n + BigInt((match[2] ?? "").padEnd(6, "0"));
  return { value: new DuckDBTimestampTZValue(micros), type: TIMESTAMPTZ };
}

function scalar(kind: ScalarKind, text: string): Bound {
  switch (kind) {
    case "text":
      return { value: text, type: VARCHAR };
    case "boolean":
      return { value: text === "true", type: BOOLEAN };
    case "integer":
      return integer(text);
    case "decimal":
      return decimal(text);
    case "double":
      return { value: Number(text), type: DOUBLE };
    case "date":
      return { value: new DuckDBDateValue(Date.parse(`${text}T00:00:00Z`) / DAY_MS), type: DATE };
    case "timestamp":
      return instant(text);
  }
}

const rank: readonly ScalarKind[] = ["integer", "decimal", "double"];

/** The one kind that all items of a list are bound as: numbers become the most general among them. */
function commonKind(items: readonly SqlParameter[]): ScalarKind {
  const kinds = [...new Set(items.map((item) => item.kind))].filter((kind) => kind !== "null");
  if (kinds.length === 0) return "text";
  if (kinds.length === 1 && kinds[0] !== "list") return kinds[0]!;
  const ranks = kinds.map((kind) => rank.indexOf(kind as ScalarKind));
  if (!ranks.includes(-1)) return rank[Math.max(...ranks)]!;
  throw new LakeError(
    "invalid-input",
    "duckdb/bad-parameter",
    "The items of a list are not all text, or all numbers, or the like.",
  );
}

/** Whole digits and digits after the point that hold all of these numbers. */
function shapeOf(texts: readonly string[]): { readonly width: number; readonly scale: number } {
  const parts = texts.map((text) => text.replace(/^[+-]?0*/, "").split("."));
  const scale = Math.max(...parts.map(([, fraction = ""]) => fraction.length));
  return { width: Math.max(1, scale + Math.max(...parts.map(([whole = ""]) => whole.length))), scale };
}

function decimals(texts: readonly (string | undefined)[]): Bound {
  const given = texts.filter((text) => text !== undefined);
  const { width, scale } = shapeOf(given);
  if (width > MOST_DIGITS) {
    return {
      value: listValue(texts.map((text) => (text === undefined ? null : Number(text)))),
      type: LIST(DOUBLE),
    };
  }
  const values = texts.map((text) => {
    if (text === undefined) return null;
    const [whole = "", fraction = ""] = text.split(".");
    return new DuckDBDecimalValue(BigInt(`${whole}${fraction.padEnd(scale, "0")}`), width, scale);
  });
  return { value: listValue(values), type: LIST(DECIMAL(width, scale)) };
}

function list(items: readonly SqlParameter[]): Bound {
  const kind = commonKind(items);
  const texts = items.map((item) => ("text" in item ? item.text : undefined));
  if (kind === "decimal") return decimals(texts);
  const bound = texts.map((text) => (text === undefined ? undefined : scalar(kind, text)));
  const types = bound.flatMap((item) => (item === undefined ? [] : [item.type]));
  // Only integers differ among themselves: the largest holds them all.
  const widest = [HUGEINT, BIGINT].find((type) => types.includes(type)) ?? types[0] ?? VARCHAR;
  const values = bound.map((item) =>
    item === undefined
      ? null
      : typeof item.value === "number" && widest !== item.type
        ? BigInt(item.value)
        : item.value,
  );
  return { value: listValue(values), type: LIST(widest) };
}

function bind(parameter: SqlParameter): Bound {
  if (parameter.kind === "null") return { value: null, type: SQLNULL };
  return parameter.kind === "list" ? list(parameter.items) : scalar(parameter.kind, parameter.text);
}

/** The parameters ready to be bound. Fails with `duckdb/bad-parameter` where a value is beyond what SQL can hold. */
export function namedParameters(parameters: Readonly<Record<string, SqlParameter>>): NamedParameters {
  const values: Record<string, DuckDBValue> = {};
  const types: Record<string, DuckDBType> = {};
  for (const [name, parameter] of Object.entries(parameters)) {
    const { value, type } = bind(parameter);
    values[name] = value;
    types[name] = type;
  }
  return { values, types };
}
