import type { Readable } from "node:stream";
import {
  type ByteSource,
  gzipFileSource,
  lineStart,
  PlainFileSource,
  streamSource,
} from "../ndjson/byte-source.js";
import { STDIN } from "../ndjson/inputs.js";
import type { IngestUnit } from "./settings.js";

/** A unit that is ready to be scanned. */
export interface OpenUnit {
  /** The unit, with `start` moved to the first line that begins in it. */
  readonly unit: IngestUnit;
  readonly source: ByteSource;
}

/** Opens a unit. `stdin` is only asked for when the unit is standard input. */
export async function openUnit(unit: IngestUnit, stdin: () => Readable): Promise<OpenUnit> {
  if (unit.path === STDIN) return { unit, source: await streamSource(stdin(), "standard input") };
  if (unit.gzip) return { unit, source: gzipFileSource(unit.path) };
  const start = lineStart(unit.path, unit.start, unit.end);
  return { unit: { ...unit, start }, source: new PlainFileSource(unit.path, start) };
}
