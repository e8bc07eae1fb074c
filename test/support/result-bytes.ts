import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { EncodedResult } from "#query";

/** All bytes of an encoded answer; the answer is closed. */
export async function bytesOf(result: EncodedResult): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of result.body) parts.push(part);
  await result.close();
  return Buffer.concat(parts);
}

/** The fields of a CSV text after RFC 4180, null for an empty field without quotes. Lines end in LF. */
export function parseCsv(text: string, delimiter: "," | "\t" = ","): (string | null)[][] {
  const rows: (string | null)[][] = [];
  const plain = delimiter === "," ? /[^,\n]*/y : /[^\t\n]*/y;
  let row: (string | null)[] = [];
  let at = 0;
  while (at < text.length) {
    let field: string | null;
    if (text[at] === '"') {
      let value = "";
      at += 1;
      for (;;) {
        const end = text.indexOf('"', at);
        value += text.slice(at, end);
        at = end + 1;
        if (text[at] !== '"') break;
        value += '"';
        at += 1;
      }
      field = value;
    } else {
      plain.lastIndex = at;
      const rest = plain.exec(text)![0];
      at += rest.length;
      field = rest === "" ? null : rest;
    }
    row.push(field);
    if (text[at] === "\n") {
      rows.push(row);
      row = [];
    } else if (text[at] !== delimiter) throw new Error(`neither a comma nor a line end at ${at}`);
    else if (text[at + 1] === "\n") {
      row.push(null);
      rows.push(row);
      row = [];
      at += 1;
    }
    at += 1;
  }
  return rows;
}

/** The rows of a Parquet file, read by a reader that is not DuckDB. */
export async function parquetRows(bytes: Buffer): Promise<Record<string, unknown>[]> {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  return (await parquetReadObjects({ file, compressors })) as Record<string, unknown>[];
}
