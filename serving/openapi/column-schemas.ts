/** Columns of views as JSON Schemas: the filters that their parameters take, and their values in JSON rows. */
import { type ColumnType, parseColumnType, type ViewColumn } from "#query";
import type { JsonSchema } from "../http/describe.js";

/** The kinds of columns that filters differ by. */
type FilterKind =
  | "text"
  | "decimal-text"
  | "boolean"
  | "integer"
  | "number"
  | "date"
  | "instant"
  | "local-time"
  | "uuid"
  | "list"
  | "other";

/** The name of a filter's schema among the components. */
function componentName(kind: FilterKind): string {
  const words = kind.split("-").map((word) => word[0]!.toUpperCase() + word.slice(1));
  return `${words.join("")}Filter`;
}

function kindOf({ sqlType, fhirType }: Pick<ViewColumn, "sqlType" | "fhirType">): FilterKind {
  const type = parseColumnType(sqlType);
  switch (type.kind) {
    case "text":
      // Text as the source wrote it, whose order is not that of its values.
      return ["decimal", "dateTime", "instant", "time"].includes(fhirType ?? "") ? "decimal-text" : "text";
    case "decimal":
    case "double":
    case "float":
      return "number";
    case "timestamp":
      return type.zone ? "instant" : "local-time";
    default:
      return type.kind;
  }
}

/** A reference to the schema of a column's filters. */
export function filterReference(column: Pick<ViewColumn, "sqlType" | "fhirType">): JsonSchema {
  return { $ref: `#/components/schemas/${componentName(kindOf(column))}` };
}

const DAY = "\\d{4}-\\d{2}-\\d{2}";
const TIME = "\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?";

/** A bare value, a comparison, a list or a question for NULL, each of values of one form. */
function typedFilter(what: string, value: string, example: string): JsonSchema {
  const pattern = [
    value,
    `(not\\.)?(eq|neq|gt|gte|lt|lte)\\.${value}`,
    `(not\\.)?in\\.\\("?${value}"?(,"?${value}"?)*\\)`,
    "(not\\.)?is\\.(null|not_null)",
  ].join("|");
  return {
    type: "string",
    description: `${what}, alone or after one of eq. neq. gt. gte. lt. lte.; in.(a,b); is.null, is.not_null; not. before any of them.`,
    pattern: `^(${pattern})$`,
    examples: [example, `gte.${example}`, `not.in.(${example},${example})`, "is.null"],
  };
}

const filters: Readonly<Record<FilterKind, JsonSchema>> = {
  text: {
    type: "string",
    description:
      "Text, alone or after one of eq. neq. gt. gte. lt. lte.; like. and ilike. with * and _; in.(a,b); is.null, is.not_null; not. before any of them.",
    examples: ["some text", "eq.some text", "ilike.some*", 'not.in.(a,"b,c")', "is.not_null"],
  },
  "decimal-text": {
    type: "string",
    description:
      "Text as the source wrote it, which has no order: alone or after eq. or neq.; like. and ilike.; in.(a,b); is.null, is.not_null; not. before any of them. The typed columns beside it have an order.",
    examples: ["1.10", "neq.1.10", "like.1*", "in.(1.0,1.00)", "is.null"],
  },
  boolean: {
    type: "string",
    description: "true or false, alone or after eq. or neq.; is.true, is.false, is.null, is.not_null.",
    pattern:
      "^(true|false|(not\\.)?(eq|neq|gt|gte|lt|lte)\\.(true|false)|(not\\.)?in\\.\\(.+\\)|(not\\.)?is\\.(true|false|null|not_null))$",
    examples: ["true", "eq.false", "not.is.true", "is.null"],
  },
  integer: typedFilter("A whole number", "-?\\d+", "18"),
  number: typedFilter("A number", "-?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d{1,3})?", "12.5"),
  date: typedFilter("A date", DAY, "1980-01-31"),
  instant: typedFilter(
    "An instant with its time zone (+ is %2B in a URL)",
    `${DAY}T${TIME}(Z|[+-]\\d{2}:\\d{2})`,
    "2026-01-31T13:45:00Z",
  ),
  "local-time": typedFilter("A date and time", `${DAY}T${TIME}`, "2026-01-31T13:45:00"),
  uuid: typedFilter("A UUID", "[0-9a-fA-F-]{36}", "12345678-1234-1234-1234-123456789abc"),
  list: {
    type: "string",
    description:
      "A list holds all of several values: cs.(a,b), or one of them: ov.(a,b); is.null, is.not_null; not. before any of them.",
    pattern: "^(not\\.)?(cs\\..*|ov\\..*|is\\.(null|not_null))$",
    examples: ["is.null", "not.is.null"],
  },
  other: {
    type: "string",
    description: "is.null or is.not_null.",
    pattern: "^(not\\.)?is\\.(null|not_null)$",
    examples: ["is.null", "is.not_null"],
  },
};

/** The schemas of all filters, by the name of their component. */
export const filterComponents: Readonly<Record<string, JsonSchema>> = Object.fromEntries(
  Object.entries(filters).map(([kind, schema]) => [componentName(kind as FilterKind), schema]),
);

function jsonType(type: ColumnType, decimalText: boolean): JsonSchema {
  switch (type.kind) {
    case "text":
      return { type: decimalText ? ["number", "string"] : ["string"] };
    case "boolean":
      return { type: ["boolean"] };
    case "integer":
      // Beyond 2^53 as text, which no reader rounds.
      return { type: type.bits < 64 ? ["integer"] : ["integer", "string"] };
    case "decimal":
    case "double":
    case "float":
      return { type: ["number", "string"] };
    case "date":
      return { type: ["string"], format: "date" };
    case "uuid":
      return { type: ["string"], format: "uuid" };
    case "timestamp":
      return { type: ["string"], ...(type.zone ? { format: "date-time" } : {}) };
    case "list":
      return { type: ["array"], items: nullable(jsonType(type.item, decimalText)) };
    default:
      return {};
  }
}

function nullable(schema: JsonSchema): JsonSchema {
  const { type } = schema;
  return Array.isArray(type) ? { ...schema, type: [...(type as string[]), "null"] } : schema;
}

/** A column's values in JSON rows. */
export function valueSchema({ sqlType, fhirType, description, path }: ViewColumn): JsonSchema {
  return {
    ...nullable(jsonType(parseColumnType(sqlType), fhirType === "decimal")),
    description: description ?? path,
    "x-sql-type": sqlType,
    ...(fhirType === undefined ? {} : { "x-fhir-type": fhirType }),
  };
}
