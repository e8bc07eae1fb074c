/** A DuckDB column type in the terms that encoders switch on. `other` keeps the engine's own name. */
export type ColumnType =
  | { readonly kind: "text" | "boolean" | "double" | "float" | "date" | "uuid" }
  | { readonly kind: "integer"; readonly bits: 8 | 16 | 32 | 64 | 128; readonly signed: boolean }
  | { readonly kind: "timestamp"; readonly unit: "s" | "ms" | "us" | "ns"; readonly zone: boolean }
  | { readonly kind: "decimal"; readonly width: number; readonly scale: number }
  | { readonly kind: "list"; readonly item: ColumnType }
  | { readonly kind: "other"; readonly name: string };

const integer = (bits: 8 | 16 | 32 | 64 | 128, signed: boolean): ColumnType => ({
  kind: "integer",
  bits,
  signed,
});
const timestamp = (unit: "s" | "ms" | "us" | "ns", zone: boolean): ColumnType => ({
  kind: "timestamp",
  unit,
  zone,
});

const named: ReadonlyMap<string, ColumnType> = new Map<string, ColumnType>([
  ["VARCHAR", { kind: "text" }],
  ["TEXT", { kind: "text" }],
  ["STRING", { kind: "text" }],
  ["BOOLEAN", { kind: "boolean" }],
  ["BOOL", { kind: "boolean" }],
  ["TINYINT", integer(8, true)],
  ["SMALLINT", integer(16, true)],
  ["INTEGER", integer(32, true)],
  ["INT", integer(32, true)],
  ["BIGINT", integer(64, true)],
  ["HUGEINT", integer(128, true)],
  ["UTINYINT", integer(8, false)],
  ["USMALLINT", integer(16, false)],
  ["UINTEGER", integer(32, false)],
  ["UBIGINT", integer(64, false)],
  ["UHUGEINT", integer(128, false)],
  ["DOUBLE", { kind: "double" }],
  ["FLOAT", { kind: "float" }],
  ["REAL", { kind: "float" }],
  ["DATE", { kind: "date" }],
  ["UUID", { kind: "uuid" }],
  ["TIMESTAMP", timestamp("us", false)],
  ["TIMESTAMP_S", timestamp("s", false)],
  ["TIMESTAMP_MS", timestamp("ms", false)],
  ["TIMESTAMP_NS", timestamp("ns", false)],
  ["TIMESTAMP WITH TIME ZONE", timestamp("us", true)],
  ["TIMESTAMPTZ", timestamp("us", true)],
]);

/** The type that DuckDB writes as `sqlType` (`DECIMAL(18,2)`, `DATE[]`, …), letter case ignored. */
export function parseColumnType(sqlType: string): ColumnType {
  const name = sqlType.trim().toUpperCase();
  if (name.endsWith("[]")) return { kind: "list", item: parseColumnType(name.slice(0, -2)) };
  const decimal = /^(?:DECIMAL|NUMERIC)\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(name);
  if (decimal !== null) return { kind: "decimal", width: Number(decimal[1]), scale: Number(decimal[2]) };
  return named.get(name) ?? { kind: "other", name: sqlType };
}
