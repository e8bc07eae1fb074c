import type { Shape } from "#fhir";

/** The shape as the structure argument of DuckDB's json_transform. */
export function transformSchema(shape: Shape): string {
  return JSON.stringify(structure(shape));
}

function structure(shape: Shape): unknown {
  switch (shape.kind) {
    case "scalar":
      return { text: "VARCHAR", boolean: "BOOLEAN", integer: "INTEGER", bigint: "BIGINT" }[shape.type];
    case "json":
      return "JSON";
    case "list":
      return [structure(shape.item)];
    case "struct":
      return Object.fromEntries([...shape.fields].map(([name, field]) => [name, structure(field)]));
  }
}

const NUMBER = "-?[0-9]+(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?";

/**
 * SQL that turns the decimal literals of a JSON text into strings, because every JSON route of DuckDB rounds them through DOUBLE.
 * A name match is always a property name: a quote inside a string is preceded by a backslash, which the pattern does not admit.
 */
export function quotedDecimals(expression: string, names: readonly string[], listNames: readonly string[]): string {
  let sql = expression;
  if (names.length > 0) {
    sql = `regexp_replace(${sql}, '([{,]\\s*"(?:${names.join("|")})"\\s*:\\s*)(${NUMBER})', '\\1"\\2"', 'g')`;
  }
  void listNames;
  return sql;
}
