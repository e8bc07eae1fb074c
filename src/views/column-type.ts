import type { Definitions } from "#fhir";
import { COMPUTED_DECIMAL, familyOf } from "#fhirpath";
import { BIGINT, BOOLEAN, type DataType, INTEGER, TEXT } from "#plan";
import { viewError } from "./errors.js";
import type { ColumnModel } from "./model.js";

/** The SQL type of values of a FHIR type (SQL on FHIR, default mapping; decimals, dates and instants stay text as written). */
export function defaultType(definitions: Definitions, fhirType: string | undefined): DataType {
  if (fhirType === undefined) return TEXT;
  switch (familyOf(definitions, systemToFhir(fhirType))) {
    case "boolean":
      return BOOLEAN;
    case "integer":
      return INTEGER;
    case "long":
      return BIGINT;
    default:
      return TEXT;
  }
}

/** The FHIR name for a System type, so that declared `System.String` and `string` mean the same. */
export function systemToFhir(type: string): string {
  if (type === COMPUTED_DECIMAL) return "decimal";
  if (!type.startsWith("System.")) return type;
  const name = type.slice("System.".length);
  return name === "Long" ? "integer64" : name.charAt(0).toLowerCase() + name.slice(1);
}

const ANSI: readonly (readonly [RegExp, (match: RegExpExecArray) => DataType])[] = [
  [/^(?:CHARACTER VARYING|VARCHAR|CHARACTER|CHAR|TEXT|STRING|NVARCHAR)(?:\s*\(\s*\d+\s*\))?$/, () => TEXT],
  [/^BOOLEAN$/, () => BOOLEAN],
  [/^(?:INTEGER|INT|SMALLINT)$/, () => INTEGER],
  [/^BIGINT$/, () => BIGINT],
  [
    /^(?:DOUBLE PRECISION|DOUBLE|REAL|FLOAT(?:\s*\(\s*\d+\s*\))?)$/,
    () => ({ kind: "scalar", type: "double" }),
  ],
  [/^DATE$/, () => ({ kind: "scalar", type: "date" })],
  [/^TIMESTAMP(?:\s*\(\s*\d+\s*\))?(?: WITHOUT TIME ZONE)?$/, () => ({ kind: "scalar", type: "timestamp" })],
  [
    /^(?:TIMESTAMP(?:\s*\(\s*\d+\s*\))? WITH TIME ZONE|TIMESTAMPTZ)$/,
    () => ({ kind: "scalar", type: "timestamptz" }),
  ],
  [/^(?:DECIMAL|NUMERIC|DEC)$/, () => ({ kind: "scalar", type: { precision: 18, scale: 3 } })],
  [/^(?:DECIMAL|NUMERIC|DEC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)$/, (match) => decimal(match)],
];

function decimal(match: RegExpExecArray): DataType {
  const [precision, scale] = [Number(match[1]), Number(match[2] ?? 0)];
  if (precision < 1 || precision > 38 || scale > precision) return { kind: "json" };
  return { kind: "scalar", type: { precision, scale } };
}

/**
 * The type that a column's `ansi/type` tag asks for, or undefined without one.
 * Errors: `view/unsupported-type` for types that are not known.
 */
export function taggedType(column: ColumnModel): DataType | undefined {
  const index = column.tags.findIndex((tag) => tag.name === "ansi/type");
  if (index < 0) return undefined;
  const text = column.tags[index]!.value.trim().toUpperCase().replace(/\s+/g, " ");
  for (const [pattern, type] of ANSI) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const found = type(match);
    if (found.kind === "scalar") return found;
  }
  throw viewError(
    "unsupported-type",
    `${column.path}.tag[${index}].value`,
    "This SQL type is not supported; use VARCHAR, BOOLEAN, INTEGER, BIGINT, DECIMAL(p,s), DOUBLE, DATE, TIMESTAMP or TIMESTAMP WITH TIME ZONE.",
  );
}
