import type { DataType, ScalarType } from "#plan";
import { identifier } from "./quote.js";

/** Digits of exact numbers: 20 before the point and 18 after it. */
export const NUMBER_TYPE = "DECIMAL(38,18)";

function scalarName(type: ScalarType): string {
  if (typeof type !== "string") return `DECIMAL(${type.precision},${type.scale})`;
  switch (type) {
    case "text":
      return "VARCHAR";
    case "boolean":
      return "BOOLEAN";
    case "integer":
      return "INTEGER";
    case "bigint":
      return "BIGINT";
    case "number":
      return NUMBER_TYPE;
    case "double":
      return "DOUBLE";
    case "date":
      return "DATE";
    case "timestamp":
      return "TIMESTAMP";
    case "timestamptz":
      return "TIMESTAMP WITH TIME ZONE";
  }
}

/** The DuckDB name of a type. */
export function typeName(type: DataType): string {
  switch (type.kind) {
    case "scalar":
      return scalarName(type.type);
    case "json":
      return "JSON";
    case "list":
      return `${typeName(type.item)}[]`;
    case "struct":
      return `STRUCT(${[...type.fields].map(([name, field]) => `${identifier(name)} ${typeName(field)}`).join(", ")})`;
  }
}

/** The structure text of json_transform for a type. */
export function jsonStructure(type: DataType): unknown {
  switch (type.kind) {
    case "scalar":
      return scalarName(type.type);
    case "json":
      return "JSON";
    case "list":
      return [jsonStructure(type.item)];
    case "struct":
      return Object.fromEntries([...type.fields].map(([name, field]) => [name, jsonStructure(field)]));
  }
}
