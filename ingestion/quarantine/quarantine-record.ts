import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { ReasonCode } from "./reason.js";

/** Most bytes of a refused piece that are kept in its record. */
export const MAX_TEXT_BYTES = 64 * 1024;

/** One refused piece of input, a line of `quarantine.ndjson`. It holds patient data: it belongs in the lake, not in a log. */
export interface QuarantineRecord {
  /** Name of the input. */
  readonly file: string;
  /** Byte offset of the piece in the unpacked input, and its line, from 1. */
  readonly offset: number;
  readonly line: number;
  /** Index of the Bundle entry, from 0, when the piece is one. */
  readonly entry?: number;
  /** Bytes of the whole piece. */
  readonly length: number;
  readonly reason: ReasonCode;
  readonly message: string;
  /** Byte within the piece where the trouble was noticed, when it is known. */
  readonly at?: number;
  /** The first 64 KiB at most: `text` when they are UTF-8, else `base64`. */
  readonly text?: string;
  readonly base64?: string;
  /** True when the piece is longer than what is kept. */
  readonly cut: boolean;
  /** SHA-256 of the whole piece. */
  readonly sha256: string;
}

/** Where a refused piece stood and why it was refused. */
export interface QuarantinedPiece {
  readonly file: string;
  readonly offset: number;
  readonly line: number;
  readonly entry?: number | undefined;
  readonly reason: ReasonCode;
  readonly message: string;
  readonly at?: number | undefined;
}

/** The record of a piece of which all bytes are at hand. */
export function quarantineRecord(piece: QuarantinedPiece, bytes: Buffer): QuarantineRecord {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return prefixRecord(piece, bytes.subarray(0, MAX_TEXT_BYTES), bytes.length, sha256);
}

/** The record of a piece that was only measured while it passed by. */
export function prefixRecord(
  piece: QuarantinedPiece,
  prefix: Buffer,
  length: number,
  sha256: string,
): QuarantineRecord {
  const cut = length > prefix.length;
  const kept = cut ? wholeCharacters(prefix) : prefix;
  const text = isUtf8(kept) ? { text: kept.toString("utf8") } : { base64: kept.toString("base64") };
  return {
    file: piece.file,
    offset: piece.offset,
    line: piece.line,
    ...(piece.entry === undefined ? {} : { entry: piece.entry }),
    length,
    reason: piece.reason,
    message: piece.message,
    ...(piece.at === undefined ? {} : { at: piece.at }),
    ...text,
    cut,
    sha256,
  };
}

/** Drops the bytes of a character that the cut went through. */
function wholeCharacters(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes.length - end < 4 && (bytes[end - 1]! & 0xc0) === 0x80) end--;
  return end > 0 && bytes[end - 1]! >= 0xc0 ? bytes.subarray(0, end - 1) : bytes;
}
