/**
 * The only place where names and values become SQL text for DuckDB. Values are escaped rather than bound, so that a statement can stand
 * inside another one without its parameters colliding.
 */

/** A quoted identifier. Any string is safe; DuckDB identifiers hold no NUL, so one becomes U+FFFD. */
export function identifier(name: string): string {
  return `"${name.replaceAll("\0", "\u{fffd}").replaceAll('"', '""')}"`;
}

/**
 * A string literal on one line. Any string is safe; line breaks are written as escapes, so that SQL text can be indented, and a NUL as
 * chr(0), because SQL text would end there.
 */
export function stringLiteral(value: string): string {
  if (!value.includes("\0")) return quoted(value);
  return `(${value.split("\0").map(quoted).join(" || chr(0) || ")})`;
}

function quoted(text: string): string {
  const doubled = text.replaceAll("'", "''");
  if (!/[\n\r]/.test(text)) return `'${doubled}'`;
  return `E'${doubled.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r")}'`;
}

/** A number literal. Only finite numbers have one. */
export function numberLiteral(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError("Only finite numbers can be written in SQL");
  return value < 0 || Object.is(value, -0) ? `(${String(value)})` : String(value);
}
