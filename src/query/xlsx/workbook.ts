/** The parts of a workbook (ECMA-376) around its rows, zipped while they are read. */
import { Readable } from "node:stream";
import yazl from "yazl";
import { columnLetters, STYLE } from "./cells.js";

/** Rows of a sheet below its header. */
export const MOST_ROWS = 1_048_575;
/** Characters of a cell. */
export const MOST_CHARACTERS = 32_767;
/** Columns of a sheet. */
export const MOST_COLUMNS = 16_384;

const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE = "http://schemas.openxmlformats.org/package/2006";

/** Text for an XML element or attribute; what XML cannot carry is left out. */
function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\x20-\uFFFD]/g, "")
    .replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function textRow(values: readonly string[], row: number, style: number = STYLE.plain): string {
  const cells = values.map(
    (value, index) =>
      `<c r="${columnLetters(index)}${row}" s="${style}" t="inlineStr"><is><t xml:space="preserve">${escapeXml(value)}</t></is></c>`,
  );
  return `<row r="${row}">${cells.join("")}</row>`;
}

function sheetStart(header: readonly string[]): string {
  const pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>';
  return `${HEAD}<worksheet xmlns="${MAIN}"><sheetViews><sheetView workbookViewId="0">${pane}</sheetView></sheetViews><sheetData>${textRow(header, 1, STYLE.head)}`;
}

const SHEET_END = "</sheetData></worksheet>";

function parts(sheet: string): ReadonlyMap<string, string> {
  const override = (name: string, type: string): string =>
    `<Override PartName="${name}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.${type}+xml"/>`;
  const related = (id: string, type: string, target: string): string =>
    `<Relationship Id="${id}" Type="${OFFICE}/${type}" Target="${target}"/>`;
  const sheets = [sheet.slice(0, 31), "About this file"].map(
    (name, i) => `<sheet name="${escapeXml(name)}" sheetId="${i + 1}" r:id="rId${i + 1}"/>`,
  );
  return new Map([
    [
      "[Content_Types].xml",
      `<Types xmlns="${PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>${override("/xl/workbook.xml", "sheet.main")}${override("/xl/worksheets/sheet1.xml", "worksheet")}${override("/xl/worksheets/sheet2.xml", "worksheet")}${override("/xl/styles.xml", "styles")}</Types>`,
    ],
    [
      "_rels/.rels",
      `<Relationships xmlns="${PACKAGE}/relationships">${related("rId1", "officeDocument", "xl/workbook.xml")}</Relationships>`,
    ],
    [
      "xl/workbook.xml",
      `<workbook xmlns="${MAIN}" xmlns:r="${OFFICE}"><sheets>${sheets.join("")}</sheets></workbook>`,
    ],
    [
      "xl/_rels/workbook.xml.rels",
      `<Relationships xmlns="${PACKAGE}/relationships">${related("rId1", "worksheet", "worksheets/sheet1.xml")}${related("rId2", "worksheet", "worksheets/sheet2.xml")}${related("rId3", "styles", "styles.xml")}</Relationships>`,
    ],
    [
      "xl/styles.xml",
      `<styleSheet xmlns="${MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/><numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss.000"/></numFmts><fonts count="2"><font/><font><b/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/><xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="165" applyNumberFormat="1"/><xf fontId="1" applyFont="1"/></cellXfs></styleSheet>`,
    ],
  ]);
}

/** What a workbook is made of. */
export interface Workbook {
  /** Name of the sheet with the rows. */
  readonly sheet: string;
  readonly header: readonly string[];
  /** The rows, as `<row>` elements. */
  readonly rows: AsyncIterable<Uint8Array>;
  /** What the second sheet says, line by line. Asked for when the rows have ended. */
  readonly about: () => readonly (readonly [string, string])[];
}

/** Bytes that are gathered before they go to the compressor; the engine hands rows out in smaller pieces. */
async function* sheetBytes({ header, rows }: Workbook): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(sheetStart(header));
  yield* rows;
  yield Buffer.from(SHEET_END);
}

function* aboutBytes({ about }: Workbook): Generator<Uint8Array, void, undefined> {
  const lines = about().map((line, index) => textRow(line, index + 2));
  yield Buffer.from(`${sheetStart(["What", "Value"])}${lines.join("")}${SHEET_END}`);
}

/** The bytes of a workbook, at the pace of their reader. Nothing in them depends on the time or the machine. */
export async function* encodeWorkbook(workbook: Workbook): AsyncGenerator<Uint8Array, void, undefined> {
  const zip = new yazl.ZipFile();
  const entry = { mtime: new Date(1980, 0, 1), forceDosTimestamp: true, compressionLevel: 3 };
  for (const [name, text] of parts(workbook.sheet)) zip.addBuffer(Buffer.from(HEAD + text), name, entry);
  const rows = Readable.from(sheetBytes(workbook), { objectMode: false });
  zip.addReadStream(rows, "xl/worksheets/sheet1.xml", entry);
  zip.addReadStreamLazy("xl/worksheets/sheet2.xml", entry, (give) =>
    give(null, Readable.from(aboutBytes(workbook), { objectMode: false })),
  );
  const out = zip.outputStream as Readable;
  zip.on("error", (error: Error) => out.destroy(error));
  rows.on("error", (error: Error) => out.destroy(error));
  zip.end();
  try {
    for await (const part of out) yield part as Buffer;
  } finally {
    rows.destroy();
  }
}
