import { corruptLanding } from "./errors.js";

/** Between the fields of a record: the ASCII unit separator, which no JSON text can hold unescaped. */
export const FIELD_SEPARATOR = 0x1f;
/** `U`: the resource as it now is; `D`: it was deleted (raw is empty). */
export type RecordKind = "U" | "D";

/** The fields of a record in front of its raw text. All are printable ASCII. */
export interface RecordHeader {
  /** 32 hex digits, see `resourceKey`. */
  readonly key: string;
  readonly kind: RecordKind;
  readonly id: string;
  /** meta.versionId as written, or empty. */
  readonly version: string;
  /** meta.lastUpdated as written, or empty. */
  readonly lastUpdated: string;
  /** 90 hex digits, see `orderKey`. */
  readonly order: string;
}

/** One version of a resource on its way into the lake. */
export interface LandingRecord extends RecordHeader {
  /** The resource's exact source text in UTF-8, without LF; empty for a delete. */
  readonly raw: Buffer;
}

const SEPARATOR = "\x1f";

/** The text of a record up to and including the separator before `raw`. */
export function headerText(header: RecordHeader): string {
  return `${header.key}${SEPARATOR}${header.kind}${SEPARATOR}${header.id}${SEPARATOR}${header.version}${SEPARATOR}${header.lastUpdated}${SEPARATOR}${header.order}${SEPARATOR}`;
}

/** The bytes of a record with its line end. */
export function encodeRecord(record: LandingRecord): Buffer {
  return Buffer.concat([Buffer.from(headerText(record), "latin1"), record.raw, Buffer.of(0x0a)]);
}

/** A record from its bytes without the line end. Errors: `landing/bad-record`. */
export function decodeRecord(line: Buffer): LandingRecord {
  const fields: string[] = [];
  let at = 0;
  for (let i = 0; i < 6; i++) {
    const end = line.indexOf(FIELD_SEPARATOR, at);
    if (end < 0)
      throw corruptLanding("landing/bad-record", "A landing record has too few fields; ingest again.");
    fields.push(line.toString("latin1", at, end));
    at = end + 1;
  }
  const [key, kind, id, version, lastUpdated, order] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if (kind !== "U" && kind !== "D") {
    throw corruptLanding(
      "landing/bad-record",
      "A landing record is neither an update nor a delete; ingest again.",
    );
  }
  return { key, kind, id, version, lastUpdated, order, raw: line.subarray(at) };
}
