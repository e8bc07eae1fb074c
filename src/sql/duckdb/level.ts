import { isNull, type Value } from "./value.js";

/**
 * One SELECT being built: what stands after FROM, its conditions, and how each needed column is computed from there.
 * Columns are keyed `source:<property>`, `system:<name>` and `column:<name>`.
 */
export interface Level {
  readonly from: string;
  readonly where: readonly string[];
  readonly columns: ReadonlyMap<string, Value>;
}

/** A SELECT over several lines. String literals hold no line breaks, so indenting never changes a value. */
export function selectText(level: Level, items: readonly string[]): string {
  const list = items.length === 0 ? '1 AS "#row"' : items.join(",\n  ");
  const where = level.where.length === 0 ? "" : `\nWHERE ${level.where.join("\n  AND ")}`;
  return `SELECT ${list}\nFROM ${level.from}${where}`;
}

/** Text in parentheses, indented. */
export function indented(text: string): string {
  return `(\n  ${text.replaceAll("\n", "\n  ")}\n)`;
}

/** A list to unnest; where the row must stay although the list is empty, one placeholder takes its place. */
export function keptRows(list: string, keep: Value, placeholder: string, content = list): string {
  if (keep.constant === false || isNull(keep)) return content;
  if (keep.constant === true) return `CASE WHEN len(${list}) > 0 THEN ${content} ELSE [${placeholder}] END`;
  return `CASE WHEN len(${list}) > 0 THEN ${content} WHEN ${keep.sql} THEN [${placeholder}] END`;
}
