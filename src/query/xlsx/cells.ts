/**
 * Rows of a sheet (ECMA-376, SpreadsheetML) as SQL expressions. Cells are typed: a number is a number only when a spreadsheet program
 * keeps all of its digits (15), a date when its calendar knows it; everything else, instants with a zone among them, is text that is never read
 * as a formula.
 */
import { type ColumnType, quoteIdentifier, quoteLiteral } from "#duckdb";
import { type EncodedColumn, textOf } from "../encoding.js";

/** Numbers of the styles in the workbook. */
export const STYLE = { plain: 0, date: 1, dateTime: 2, head: 3 } as const;

/** A spreadsheet keeps so many digits of a number. */
const DIGITS = 15;
const MOST = 10n ** BigInt(DIGITS) - 1n;

/** Code points that XML 1.0 cannot carry, or would change (CR): written as `_xHHHH_` (ECMA-376 part 1, 22.9.2.19). */
const UNSAFE = [
  ...Array.from({ length: 31 }, (_, index) => index + 1).filter((code) => code !== 9 && code !== 10),
  0xfffe,
  0xffff,
];

const hex = (code: number): string => `_x${code.toString(16).toUpperCase().padStart(4, "0")}_`;

/** Text for an XML element, from an SQL expression. */
function xmlText(text: string): string {
  const apart = `CASE WHEN contains(${text}, '_x') THEN regexp_replace(${text}, '_x([0-9A-Fa-f]{4})_', '_x005F_x\\1_', 'g') ELSE ${text} END`;
  const safe = `replace(replace(replace(${apart}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')`;
  const pattern = "[\\x{1}-\\x{8}\\x{B}-\\x{1F}\\x{FFFE}\\x{FFFF}]";
  const rare = UNSAFE.reduce((sql, code) => `replace(${sql}, chr(${code}), '${hex(code)}')`, safe);
  return `CASE WHEN regexp_matches(${text}, ${quoteLiteral(pattern)}) THEN ${rare} ELSE ${safe} END`;
}

/** The number of a row in its sheet, as text: a column that the rows must have. Readers want it in every address. */
export const ROW_NUMBER = "_lake_row";

/** The letters of a column: A to Z, then AA. */
export function columnLetters(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26));
  return index < 26 ? letter : columnLetters(Math.floor(index / 26) - 1) + letter;
}

/** Everything of a cell that follows its address. */
function textCell(text: string): string {
  return `'" t="inlineStr"><is><t xml:space="preserve">' || ${xmlText(text)} || '</t></is></c>'`;
}

function numberCell(number: string, style: number = STYLE.plain): string {
  return `'"${style === STYLE.plain ? "" : ` s="${style}"`}><v>' || ${number} || '</v></c>'`;
}

function either(condition: string, yes: string, no: string): string {
  return `CASE WHEN ${condition} THEN ${yes} ELSE ${no} END`;
}

/** The program's calendar begins here, after a day in 1900 that never was. */
const FIRST_DAY = "1900-03-01";
const MICROSECONDS_A_DAY = "86400000000";

function dateTimeCell(type: ColumnType, value: string): string {
  const serial = `(epoch_us(${value}::TIMESTAMP) - epoch_us(TIMESTAMP '1899-12-30')) / ${MICROSECONDS_A_DAY}.0::DOUBLE`;
  // Beyond milliseconds the program would round.
  const fits = `${value} >= TIMESTAMP '${FIRST_DAY}' AND epoch_us(${value}::TIMESTAMP) % 1000 = 0`;
  return either(fits, numberCell(`(${serial})::VARCHAR`, STYLE.dateTime), textCell(textOf(type, value)));
}

function filledCell(type: ColumnType, value: string): string {
  const asText = (): string => textCell(textOf(type, value));
  switch (type.kind) {
    case "boolean":
      return `'" t="b"><v>' || ${value}::INTEGER::VARCHAR || '</v></c>'`;
    case "integer": {
      const number = numberCell(`${value}::VARCHAR`);
      if (type.bits < 64) return number;
      return either(`${value} BETWEEN ${type.signed ? -MOST : 0} AND ${MOST}`, number, asText());
    }
    case "decimal":
      return type.width <= DIGITS ? numberCell(`${value}::VARCHAR`) : asText();
    case "double":
    case "float":
      return either(`isfinite(${value})`, numberCell(`${value}::VARCHAR`), asText());
    case "date": {
      const serial = `date_diff('day', DATE '1899-12-30', ${value})::VARCHAR`;
      return either(`${value} >= DATE '${FIRST_DAY}'`, numberCell(serial, STYLE.date), asText());
    }
    case "timestamp":
      return type.zone ? asText() : dateTimeCell(type, value);
    default:
      return asText();
  }
}

/** An expression that yields a row of the sheet; NULL has no cell. */
export function sheetRow(columns: readonly EncodedColumn[]): string {
  const cells = columns.map(({ name, type }, index) => {
    const value = quoteIdentifier(name);
    const start = `'<c r="${columnLetters(index)}' || ${ROW_NUMBER} || `;
    return `CASE WHEN ${value} IS NOT NULL THEN ${start}${filledCell(type, value)} END`;
  });
  return `concat('<row r="', ${ROW_NUMBER}, '">', ${cells.join(", ")}, '</row>')`;
}

/** A SELECT whose rows are numbered as in a sheet with one line above them. */
export function numberedRows(source: string): string {
  return `SELECT *, (row_number() OVER () + 1)::VARCHAR AS ${ROW_NUMBER} FROM (${source}) AS _rows`;
}

/** An expression for the length of the longest text that a row holds in one cell; 0 when it holds none. */
export function longestText(columns: readonly EncodedColumn[]): string {
  const lengths = columns
    .filter(({ type }) => ["text", "list", "other"].includes(type.kind))
    .map(({ name, type }) => `length(${textOf(type, quoteIdentifier(name))})`);
  return lengths.length === 0 ? "0" : `coalesce(greatest(${lengths.join(", ")}, 0), 0)`;
}
