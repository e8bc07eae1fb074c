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
function textOf(type: ColumnType, value: string): string {
  switch (type.kind) {
    case "text":
      return value;
    case "timestamp":
      return timestampText(value, type.zone);
    case "list":
      return listJson(type.item, value, false, 0);
    case "other":
      return isNested(type.name) ? `to_json(${value})::VARCHAR` : `${value}::VARCHAR`;
    default:
      return `${value}::VARCHAR`;
  }
}

function quoted(text: string): string {
  return `('"' || ${text} || '"')`;
}

function listJson(item: ColumnType, value: string, decimalText: boolean, depth: number): string {
  const name = quoteIdentifier(`_item${depth}`);
  const each = `coalesce(${jsonOf(item, name, decimalText, depth + 1)}, 'null')`;
  return `('[' || array_to_string(list_transform(${value}, lambda ${name}: ${each}), ',') || ']')`;
}

/** JSON text of a value; NULL for NULL. */
function jsonOf(type: ColumnType, value: string, decimalText: boolean, depth = 0): string {
  switch (type.kind) {
    case "text": {
      const json = `to_json(${value})::VARCHAR`;
      if (!decimalText) return json;
      return `CASE WHEN regexp_full_match(${value}, ${quoteLiteral(JSON_NUMBER)}) THEN ${value} ELSE ${json} END`;
    }
    case "boolean":
    case "decimal":
      return `${value}::VARCHAR`;
    case "integer": {
      if (type.bits < 64) return `${value}::VARCHAR`;
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
      return listJson(type.item, value, decimalText, depth);
    default:
      return isNested(type.name) ? `to_json(${value})::VARCHAR` : `to_json(${value}::VARCHAR)::VARCHAR`;
  }
}

function csvField(column: EncodedColumn): string {
  const value = quoteIdentifier(column.name);
  const text = textOf(column.type, value);
  const mayNeedQuotes = ["text", "list", "other"].includes(column.type.kind);
  if (!mayNeedQuotes) return text;
  // Four plain searches take a third of the time of one regular expression.
  const special = [`'"'`, "','", "chr(10)", "chr(13)"].map((character) => `contains(${text}, ${character})`);
  const needsQuotes = [`${text} = ''`, ...special].join(" OR ");
  return `CASE WHEN ${needsQuotes} THEN '"' || replace(${text}, '"', '""') || '"' ELSE ${text} END`;
}

/** An expression that yields a row as a JSON object, members in column order, between the two given literals. */
export function jsonRow(columns: readonly EncodedColumn[], before: string, after: string): string {
  const parts = columns.flatMap((column, index) => {
    const label = `${index === 0 ? `${before}{` : ","}${JSON.stringify(column.name)}:`;
    return [
      quoteLiteral(label),
      `coalesce(${jsonOf(column.type, quoteIdentifier(column.name), column.decimalText)}, 'null')`,
    ];
  });
  return `concat(${[...parts, quoteLiteral(`}${after}`)].join(", ")})`;
}

/** An expression that yields a row as a CSV line with its LF: NULL is an empty field, the empty text is `""`. */
export function csvRow(columns: readonly EncodedColumn[]): string {
  const fields = columns.flatMap((column, index) =>
    index === 0 ? [csvField(column)] : ["','", csvField(column)],
  );
  return `concat(${[...fields, "chr(10)"].join(", ")})`;
}

/** The header line of a CSV file, with its LF. */
export function csvHeader(columns: readonly EncodedColumn[]): string {
  const names = columns.map(({ name }) => (/[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name));
  return `${names.join(",")}\n`;
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
