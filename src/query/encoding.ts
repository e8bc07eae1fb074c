/**
 * How a value of each column type leaves in each format, as SQL expressions: the engine encodes whole columns far
 * faster than JavaScript could row by row, and one place decides what is exact.
 *
 * JSON: numbers up to 2^53-1 in size as numbers and larger ones as text; FHIR decimals (text columns) as number
 * literals with the digits as written; NaN and infinities, which only arithmetic in SQL can make, as text.
 * Dates and times are ISO 8601 in every text format, instants in UTC with `Z`.
 */
import { type ColumnType, quoteIdentifier, quoteLiteral } from "#duckdb";

/** A column as the encoders see it. */
export interface EncodedColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** True for text that holds a FHIR decimal: in JSON it becomes a number literal. */
  readonly decimalText: boolean;
}

const MAX_SAFE = Number.MAX_SAFE_INTEGER;
const JSON_NUMBER = "-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?";

/** Timestamps go through their microseconds, because the engine's own text of an instant depends on session settings. */
function timestampText(value: string, zone: boolean): string {
  if (zone) return `(replace(make_timestamp(epoch_us(${value}))::VARCHAR, ' ', 'T') || 'Z')`;
  return `replace(${value}::VARCHAR, ' ', 'T')`;
}

function isNested(name: string): boolean {
  return /^(STRUCT|MAP|UNION|JSON|VARIANT)\b|\]$/i.test(name);
}

/** Text of a value that is not NULL, for CSV and tables. */
export function textOf(type: ColumnType, value: string): string {
  switch (type.kind) {
    case "text":
      return value;
    case "timestamp":
      return timestampText(value, type.zone);
    case "list":
      return listJson(type.item, value, false, "exact", 0);
    case "other":
      return isNested(type.name) ? `to_json(${value})::VARCHAR` : `${value}::VARCHAR`;
    default:
      return `${value}::VARCHAR`;
  }
}

function quoted(text: string): string {
  return `('"' || ${text} || '"')`;
}

function listJson(
  item: ColumnType,
  value: string,
  decimalText: boolean,
  numbers: JsonNumbers,
  depth: number,
): string {
  const name = quoteIdentifier(`_item${depth}`);
  const each = `coalesce(${jsonOf(item, name, decimalText, numbers, depth + 1)}, 'null')`;
  return `('[' || array_to_string(list_transform(${value}, lambda ${name}: ${each}), ',') || ']')`;
}

/** How numbers leave in JSON: `exact` as number literals where a literal can hold them, `text` for 64-bit integers and decimals as strings. */
export type JsonNumbers = "exact" | "text";

/** JSON text of a value; NULL for NULL. */
function jsonOf(
  type: ColumnType,
  value: string,
  decimalText: boolean,
  numbers: JsonNumbers,
  depth = 0,
): string {
  switch (type.kind) {
    case "text": {
      const json = `to_json(${value})::VARCHAR`;
      if (!decimalText || numbers === "text") return json;
      return `CASE WHEN regexp_full_match(${value}, ${quoteLiteral(JSON_NUMBER)}) THEN ${value} ELSE ${json} END`;
    }
    case "boolean":
      return `${value}::VARCHAR`;
    case "decimal":
      return numbers === "text" ? quoted(`${value}::VARCHAR`) : `${value}::VARCHAR`;
    case "integer": {
      if (type.bits < 64) return `${value}::VARCHAR`;
      if (numbers === "text") return quoted(`${value}::VARCHAR`);
      const low = type.signed ? -MAX_SAFE : 0;
      return `CASE WHEN ${value} BETWEEN ${low} AND ${MAX_SAFE} THEN ${value}::VARCHAR ELSE ${quoted(`${value}::VARCHAR`)} END`;
    }
    case "double":
    case "float":
      return `CASE WHEN isfinite(${value}) THEN ${value}::VARCHAR ELSE ${quoted(`${value}::VARCHAR`)} END`;
    case "date":
    case "uuid":
    case "timestamp":
      return quoted(textOf(type, value));
    case "list":
      return listJson(type.item, value, decimalText, numbers, depth);
    default:
      return isNested(type.name) ? `to_json(${value})::VARCHAR` : `to_json(${value}::VARCHAR)::VARCHAR`;
  }
}

/** An expression that yields a row as a JSON object, members in column order, between the two given literals. */
export function jsonRow(
  columns: readonly EncodedColumn[],
  before: string,
  after: string,
  numbers: JsonNumbers = "exact",
): string {
  const parts = columns.flatMap((column, index) => {
    const label = `${index === 0 ? `${before}{` : ","}${JSON.stringify(column.name)}:`;
    return [
      quoteLiteral(label),
      `coalesce(${jsonOf(column.type, quoteIdentifier(column.name), column.decimalText, numbers)}, 'null')`,
    ];
  });
  return `concat(${[...parts, quoteLiteral(`}${after}`)].join(", ")})`;
}

/** Select-list items that yield every column as text for people; NULL stays NULL. */
export function textColumns(columns: readonly EncodedColumn[]): string {
  return columns
    .map(({ name, type }) => `${textOf(type, quoteIdentifier(name))} AS ${quoteIdentifier(name)}`)
    .join(", ");
}

function typedCast(type: ColumnType): string | undefined {
  if (type.kind === "uuid" || type.kind === "other") return "VARCHAR";
  if (type.kind === "integer" && type.bits === 128) return "DECIMAL(38, 0)";
  if (type.kind !== "list") return undefined;
  const item = typedCast(type.item);
  return item === undefined ? undefined : `${item}[]`;
}

/**
 * Select-list items for the typed formats (Parquet, Arrow). Columns keep their types, except those that the formats
 * cannot carry exactly: UUIDs and nested values become text, 128-bit integers DECIMAL(38, 0).
 */
export function typedColumns(columns: readonly EncodedColumn[]): string {
  const items = columns.map(({ name, type }) => {
    const value = quoteIdentifier(name);
    if (type.kind === "other") return `${textOf(type, value)} AS ${value}`;
    const cast = typedCast(type);
    return cast === undefined ? value : `CAST(${value} AS ${cast}) AS ${value}`;
  });
  return items.join(", ");
}
