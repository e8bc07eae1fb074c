import { LakeError } from "#kernel";
import type { InputFile } from "../ndjson/inputs.js";
import type { IngestUnit } from "./settings.js";

/** Uncompressed files are divided into ranges of this size, so that several threads can share one file. */
export const RANGE_BYTES = 32 * 1024 * 1024;

/** Deflate cannot do better than 1032 to 1; a gzip file thus has room for all the positions it can need. */
const MOST_UNPACKED_PER_BYTE = 1100;
/** FHIR NDJSON packs about so well. */
const USUAL_UNPACKED_PER_BYTE = 10;
const STREAM_POSITIONS = 2 ** 46;
const ALL_POSITIONS = 2 ** 48;

function positions(file: InputFile): number {
  if (file.sizeBytes === undefined) return STREAM_POSITIONS;
  return file.gzip ? file.sizeBytes * MOST_UNPACKED_PER_BYTE : file.sizeBytes;
}

function ranges(file: InputFile): { start: number; end: number | undefined }[] {
  const { sizeBytes } = file;
  if (sizeBytes === undefined || file.gzip || file.layout === "detect" || sizeBytes < 2 * RANGE_BYTES) {
    return [{ start: 0, end: undefined }];
  }
  const count = Math.ceil(sizeBytes / RANGE_BYTES);
  return Array.from({ length: count }, (_, i) => ({
    start: i * RANGE_BYTES,
    // The last range also takes what was appended to the file since its size was read.
    end: i === count - 1 ? undefined : (i + 1) * RANGE_BYTES,
  }));
}

/** Bytes of text a unit will scan, roughly. */
export function unitCost(unit: IngestUnit): number {
  return (unit.end ?? Math.max(unit.sizeHint, unit.start)) - unit.start;
}

/** True when the unit may turn out to be one JSON document that takes much memory. */
export function mayNeedMuchMemory(unit: IngestUnit): boolean {
  return unit.detect && unit.sizeHint > 16 * 1024 * 1024;
}

/**
 * The units of a run in input order. A record's position in the order key is the offset of its first byte in all
 * unpacked inputs laid end to end, with room left behind compressed ones: unique, growing with input order, and known
 * without waiting for the units before. Errors: `ingestion/input-too-big`.
 */
export function planUnits(files: readonly InputFile[]): IngestUnit[] {
  const units: IngestUnit[] = [];
  let positionBase = 0;
  files.forEach((file, index) => {
    for (const range of ranges(file)) {
      units.push({
        ordinal: units.length,
        file: index,
        name: file.name,
        path: file.path,
        gzip: file.gzip,
        detect: file.layout === "detect",
        json: file.json,
        bundles: file.bundles,
        ...range,
        positionBase,
        sizeHint: (file.sizeBytes ?? 0) * (file.gzip ? USUAL_UNPACKED_PER_BYTE : 1),
      });
    }
    positionBase += positions(file) + 1;
  });
  if (positionBase > ALL_POSITIONS) {
    throw new LakeError(
      "invalid-input",
      "ingestion/input-too-big",
      "The inputs are too big for one run (about 250 GB of gzip); ingest them in several runs.",
    );
  }
  return units;
}
