import { type ColumnType, parseColumnType, quoteIdentifier } from "#duckdb";
import type { Shape } from "#fhir";
import { assertNever } from "#kernel";

/** Types of the Delta protocol that fhir-lake publishes (Delta transaction log protocol, "Schema Serialization Format"). */
export type DeltaType =
  | { readonly kind: "primitive"; readonly name: string }
  | { readonly kind: "array"; readonly item: DeltaType }
  | { readonly kind: "struct"; readonly fields: readonly DeltaField[] };

/** A column, or a field of a struct; every one may be null. */
export interface DeltaField {
  readonly name: string;
  readonly type: DeltaType;
}

const primitive = (name: string): DeltaType => ({ kind: "primitive", name });
const STRING = primitive("string");

/** The published type of a typed FHIR column. Parts kept as JSON are strings that hold JSON. */
export function deltaTypeOfShape(shape: Shape): DeltaType {
  switch (shape.kind) {
    case "json":
      return STRING;
    case "scalar":
      if (shape.type === "text") return STRING;
      return primitive(shape.type === "bigint" ? "long" : shape.type);
    case "list":
      return { kind: "array", item: deltaTypeOfShape(shape.item) };
    case "struct":
      return {
        kind: "struct",
        fields: [...shape.fields].map(([name, field]) => ({ name, type: deltaTypeOfShape(field) })),
      };
    default:
      return assertNever(shape, "shape");
  }
}

function deltaTypeOfInteger(bits: number, signed: boolean): DeltaType {
  if (bits === 128) return primitive("decimal(38,0)");
  if (bits === 64) return primitive(signed ? "long" : "decimal(20,0)");
  // An unsigned integer needs the next wider signed one.
  return primitive(bits === 32 && !signed ? "long" : "integer");
}

function deltaTypeOfColumn(type: ColumnType): DeltaType {
  switch (type.kind) {
    case "integer":
      return deltaTypeOfInteger(type.bits, type.signed);
    case "boolean":
    case "double":
    case "float":
    case "date":
      return primitive(type.kind);
    case "timestamp":
      return primitive("timestamp");
    case "decimal":
      return primitive(`decimal(${type.width},${type.scale})`);
    case "list":
      return { kind: "array", item: deltaTypeOfColumn(type.item) };
    case "text":
    case "uuid":
    case "other":
      return STRING;
    default:
      return assertNever(type, "column type");
  }
}

/**
 * The published type of a DuckDB column type. Timestamps without a zone become instants in UTC, because a type without zone is a table
 * feature that plain readers lack; whatever Delta has no type for (UUID, TIME, JSON) becomes its text.
 */
export function deltaTypeOfSql(sqlType: string): DeltaType {
  return deltaTypeOfColumn(parseColumnType(sqlType));
}

const SQL_NAMES: Readonly<Record<string, string>> = {
  string: "VARCHAR",
  long: "BIGINT",
  integer: "INTEGER",
  boolean: "BOOLEAN",
  double: "DOUBLE",
  float: "FLOAT",
  date: "DATE",
  timestamp: "TIMESTAMP WITH TIME ZONE",
};

/** The DuckDB type whose Parquet form is exactly the published type. */
export function sqlTypeOf(type: DeltaType): string {
  switch (type.kind) {
    case "primitive":
      return SQL_NAMES[type.name] ?? type.name.toUpperCase();
    case "array":
      return `${sqlTypeOf(type.item)}[]`;
    case "struct":
      return `STRUCT(${type.fields.map((f) => `${quoteIdentifier(f.name)} ${sqlTypeOf(f.type)}`).join(", ")})`;
    default:
      return assertNever(type, "Delta type");
  }
}

function json(type: DeltaType): unknown {
  switch (type.kind) {
    case "primitive":
      return type.name;
    case "array":
      return { type: "array", elementType: json(type.item), containsNull: true };
    case "struct":
      return structJson(type.fields);
    default:
      return assertNever(type, "Delta type");
  }
}

function structJson(fields: readonly DeltaField[]): unknown {
  return {
    type: "struct",
    fields: fields.map((f) => ({ name: f.name, type: json(f.type), nullable: true, metadata: {} })),
  };
}

/** The `schemaString` of a table: Spark's schema JSON. Equal columns give equal text. */
export function schemaString(columns: readonly DeltaField[]): string {
  return JSON.stringify(structJson(columns));
}
