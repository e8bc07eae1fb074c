import type { Shape } from "#fhir";

/** Scalars of the plan. `text` also holds decimals, dates and times as written; `number` is an exact decimal during computation. */
export type ScalarType =
  | "text"
  | "boolean"
  | "integer"
  | "bigint"
  | "number"
  | "double"
  | "date"
  | "timestamp"
  | "timestamptz"
  | { readonly precision: number; readonly scale: number };

/** Type of a plan expression: a {@link Shape} widened by the scalars that only computation and typed output need. */
export type DataType =
  | { readonly kind: "scalar"; readonly type: ScalarType }
  | { readonly kind: "json" }
  | { readonly kind: "list"; readonly item: DataType }
  | { readonly kind: "struct"; readonly fields: ReadonlyMap<string, DataType> };

export const TEXT: DataType = { kind: "scalar", type: "text" };
export const BOOLEAN: DataType = { kind: "scalar", type: "boolean" };
export const INTEGER: DataType = { kind: "scalar", type: "integer" };
export const BIGINT: DataType = { kind: "scalar", type: "bigint" };
export const NUMBER: DataType = { kind: "scalar", type: "number" };
export const JSON_TEXT: DataType = { kind: "json" };

/** A list of `item`s. */
export function listOf(item: DataType): DataType {
  return { kind: "list", item };
}

/** True when both types are the same in every part, field order included. */
export function sameType(a: DataType | Shape, b: DataType | Shape): boolean {
  if (a.kind === "scalar" && b.kind === "scalar") {
    if (typeof a.type === "string" || typeof b.type === "string") return a.type === b.type;
    return a.type.precision === b.type.precision && a.type.scale === b.type.scale;
  }
  if (a.kind === "json" || b.kind === "json" || a.kind !== b.kind) return a.kind === b.kind;
  if (a.kind === "list" && b.kind === "list") return sameType(a.item, b.item);
  if (a.kind !== "struct" || b.kind !== "struct" || a.fields.size !== b.fields.size) return false;
  const others = [...b.fields];
  return [...a.fields].every(([name, type], i) => others[i]![0] === name && sameType(type, others[i]![1]));
}

/** A type in short, the same for equal types: `{family: text, given: text[]}[]`. */
export function typeText(type: DataType): string {
  switch (type.kind) {
    case "scalar":
      return typeof type.type === "string" ? type.type : `decimal(${type.type.precision},${type.type.scale})`;
    case "json":
      return "json";
    case "list":
      return `${typeText(type.item)}[]`;
    case "struct":
      return `{${[...type.fields].map(([name, field]) => `${name}: ${typeText(field)}`).join(", ")}}`;
  }
}
