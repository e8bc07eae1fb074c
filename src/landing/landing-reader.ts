import { createReadStream } from "node:fs";
import { storageFailure } from "#storage";
import { decodeRecord, type LandingRecord } from "./record.js";

/**
 * The records of a landing file in file order. Memory is bounded by the longest record plus 1 MiB.
 * Errors: `landing/bad-record`, `storage/io`.
 */
export async function* readLandingFile(file: string): AsyncGenerator<LandingRecord> {
  let rest: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
      let bytes = chunk as Buffer;
      for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a)) {
        const line = bytes.subarray(0, end);
        yield decodeRecord(rest.length === 0 ? line : Buffer.concat([...rest, line]));
        rest = [];
        bytes = bytes.subarray(end + 1);
      }
      if (bytes.length > 0) rest.push(bytes);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).errno === undefined) throw error;
    throw storageFailure("read", file, error);
  }
  if (rest.length > 0) yield decodeRecord(Buffer.concat(rest));
}
