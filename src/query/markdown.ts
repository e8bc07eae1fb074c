/** A Markdown table, for reading: NULL and the empty text are both an empty cell. */
import { quoteIdentifier, quoteLiteral } from "#duckdb";
import { type EncodedColumn, textOf } from "./encoding.js";

/** Characters that Markdown would take for markup; each is freed by a backslash. */
const MARKUP = "([\\\\`*_\\[\\]|~#])";

function cell({ name, type }: EncodedColumn): string {
  const text = `coalesce(${textOf(type, quoteIdentifier(name))}, '')`;
  const free = `regexp_replace(${text}, ${quoteLiteral(MARKUP)}, '\\\\\\1', 'g')`;
  const noTags = `replace(replace(${free}, '&', '&amp;'), '<', '&lt;')`;
  return `regexp_replace(${noTags}, '\\r\\n|\\r|\\n', '<br>', 'g')`;
}

/** An expression that yields a row as a line with its LF. */
export function markdownRow(columns: readonly EncodedColumn[]): string {
  const cells = columns.flatMap((column) => ["'| '", cell(column), "' '"]);
  return `concat(${[...cells, "'|'", "chr(10)"].join(", ")})`;
}

/** The two lines above the rows. */
export function markdownHeader(columns: readonly EncodedColumn[]): string {
  const names = columns.map(({ name }) =>
    name
      .replace(/[\\`*_[\]|~#]/g, "\\$&")
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;"),
  );
  return `| ${names.join(" | ")} |\n|${names.map(() => " --- |").join("")}\n`;
}
