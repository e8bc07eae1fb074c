import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { memberText, stringMember } from "./json-text.js";
import { FileText, LineFile } from "./resource-text.js";
import type { ResourceStore } from "./store.js";

/** How files are taken in. */
export interface LoadOptions {
  /**
   * true: the server writes its meta into every resource and keeps the texts in memory. false: the texts stay on disk byte for byte
   * (for many resources); one without meta.lastUpdated counts as last updated when it was loaded.
   */
  readonly stamp: boolean;
  /** The time of resources that name none, milliseconds since 1970. */
  readonly at: number;
}

/** Loads a file of resources, one per line. Returns how many, and the file that must stay open, if any. */
export async function loadNdjson(
  store: ResourceStore,
  path: string,
  options: LoadOptions,
): Promise<{ readonly count: number; readonly file: LineFile }> {
  if (!options.stamp && path.endsWith(".gz"))
    throw new Error(`'${path}' cannot stay on disk: it is compressed.`);
  const file = new LineFile(path);
  let count = 0;
  for await (const { line, start } of linesOf(path)) {
    if (line.length === 0) continue;
    const type = stringMember(line, "resourceType");
    const id = stringMember(line, "id");
    if (type === undefined || id === undefined)
      throw new Error(`A line of '${path}' has no resourceType or no id (offset ${start}).`);
    if (options.stamp) store.import(type, id, Buffer.from(line));
    else store.adopt(type, id, new FileText(file, start, line.length), writtenAt(line) ?? options.at);
    count++;
  }
  return { count, file };
}

function writtenAt(line: Buffer): number | undefined {
  const meta = memberText(line, "meta");
  const lastUpdated = meta === undefined ? undefined : stringMember(meta, "lastUpdated");
  return lastUpdated === undefined ? undefined : Date.parse(lastUpdated);
}

async function* linesOf(path: string): AsyncIterable<{ line: Buffer; start: number }> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  const bytes = createReadStream(path, { highWaterMark: 1 << 20 });
  for await (const chunk of path.endsWith(".gz") ? bytes.pipe(createGunzip()) : bytes) {
    const text = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    let from = 0;
    for (let at = text.indexOf(10, from); at >= 0; at = text.indexOf(10, from)) {
      const end = at > from && text[at - 1] === 13 ? at - 1 : at;
      yield { line: text.subarray(from, end), start: offset + from };
      from = at + 1;
    }
    rest = text.subarray(from);
    offset += from;
  }
  if (rest.length > 0) yield { line: rest, start: offset };
}
