import type { Readable } from "node:stream";
import { type ByteSource, gzipFileSource, PlainFileSource, streamSource } from "../ndjson/byte-source.js";
import { STDIN } from "../ndjson/inputs.js";
import type { IngestUnit } from "./settings.js";
import { readFrom } from "./unit-scanner.js";

/** The bytes of a unit. `stdin` is only asked for when the unit is standard input. */
export async function openSource(unit: IngestUnit, stdin: () => Readable): Promise<ByteSource> {
  if (unit.path === STDIN) return streamSource(stdin(), "standard input");
  return unit.gzip ? gzipFileSource(unit.path) : new PlainFileSource(unit.path, readFrom(unit));
}
