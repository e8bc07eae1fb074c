import { LakeError } from "#kernel";
import type { DownloadInspector } from "../http/index.js";

const LF = 0x0a;
const BRACE_CLOSE = 0x7d;
const RESOURCE_TYPE = Buffer.from('"resourceType"');
const SUBSETTED = Buffer.from('"SUBSETTED"');
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
/** A longer line is counted but not looked into: landing refuses it anyway, and it must not fill the memory. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** What a file's lines must be. */
export interface LineExpectation {
  /** How the file is named in messages, without its URL. */
  readonly name: string;
  /** `resourceType` of every line. */
  readonly type: string | undefined;
  /** Lines that are not blank, as the manifest says; undefined when it does not, or is not to be believed. */
  readonly count: number | undefined;
  /** Lines cut down by the server are refused. */
  readonly whole: boolean;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}

/** The `resourceType` of a line; undefined when it has none or is no JSON, which landing deals with. */
function resourceTypeOf(line: Buffer): string | undefined {
  const at = line.indexOf(RESOURCE_TYPE);
  if (at < 0) return undefined;
  const rest = at + RESOURCE_TYPE.length;
  if (line.indexOf(RESOURCE_TYPE, rest) < 0) {
    return /^\s*:\s*"([A-Za-z]{1,64})"/.exec(line.toString("latin1", rest, rest + 100))?.[1];
  }
  // Contained resources have one as well: only a parser can tell whose is whose.
  return parsedType(line);
}

function parsedType(line: Buffer): string | undefined {
  try {
    const value = (JSON.parse(line.toString("utf8")) as { resourceType?: unknown } | null)?.resourceType;
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Checks a file of NDJSON while it arrives: number of lines, type of each, and that the last one is complete. Whether a line
 * is valid FHIR is not looked at here.
 */
export class LineCheck implements DownloadInspector {
  /** Lines that are not blank. */
  lines = 0;
  private readonly expected: LineExpectation;
  private readonly usualStart: Buffer | undefined;
  private carried: Buffer[] = [];
  private carriedBytes = 0;
  private lastByte = LF;
  private atStart = true;

  constructor(expected: LineExpectation) {
    this.expected = expected;
    this.usualStart =
      expected.type === undefined ? undefined : Buffer.from(`{"resourceType":"${expected.type}"`);
  }

  write(chunk: Buffer): void {
    let start = 0;
    for (let lf = chunk.indexOf(LF); lf >= 0; lf = chunk.indexOf(LF, start)) {
      if (this.carriedBytes === 0) this.line(chunk, start, lf);
      else this.carriedLine(chunk.subarray(start, lf));
      start = lf + 1;
    }
    if (start < chunk.length) this.carry(chunk.subarray(start));
    if (chunk.length > 0) this.lastByte = chunk[chunk.length - 1]!;
  }

  end(): void {
    const before = this.lines;
    const last = this.carriedBytes > MAX_LINE_BYTES ? undefined : Buffer.concat(this.carried);
    if (this.carriedBytes > 0) this.carriedLine(Buffer.alloc(0));
    // A file may end without a line end, but then only the line itself can show that nothing is missing.
    if (this.lines > before && !(last === undefined ? this.lastByte === BRACE_CLOSE : isWhole(last))) {
      throw this.damaged("ends in the middle of a line");
    }
    const { count } = this.expected;
    if (count !== undefined && count !== this.lines) {
      throw this.damaged(`has ${this.lines} lines where the manifest says ${count}`);
    }
  }

  private carry(piece: Buffer): void {
    this.carriedBytes += piece.length;
    if (this.carriedBytes > MAX_LINE_BYTES) this.carried = [];
    // Copied, because the chunk's memory is used again.
    else this.carried.push(Buffer.from(piece));
  }

  private carriedLine(end: Buffer): void {
    if (this.carriedBytes + end.length > MAX_LINE_BYTES) this.lines++;
    else {
      const line = Buffer.concat([...this.carried, end]);
      this.line(line, 0, line.length);
    }
    this.carried = [];
    this.carriedBytes = 0;
  }

  private line(bytes: Buffer, from: number, to: number): void {
    let start = from;
    if (this.atStart) {
      this.atStart = false;
      if (bytes.subarray(start, start + 3).equals(BOM)) start += 3;
    }
    while (start < to && isBlank(bytes[start]!)) start++;
    if (start === to) return;
    this.lines++;
    this.checkType(bytes, start, to);
    if (this.expected.whole && bytes.subarray(start, to).includes(SUBSETTED)) throw this.subsetted();
  }

  private checkType(bytes: Buffer, start: number, end: number): void {
    const { usualStart, expected } = this;
    if (usualStart === undefined) return;
    if (
      bytes.compare(usualStart, 0, usualStart.length, start, Math.min(end, start + usualStart.length)) === 0
    )
      return;
    const type = resourceTypeOf(bytes.subarray(start, end));
    if (type !== undefined && type !== expected.type) {
      throw this.damaged(`holds a ${type} in line ${this.lines}`);
    }
  }

  private damaged(how: string): LakeError {
    return new LakeError(
      "unavailable",
      "source/damaged-file",
      `The server's ${this.expected.name} ${how}; it is not used. Run again, and report it to the server's maker if it stays so.`,
      { retryable: true },
    );
  }

  private subsetted(): LakeError {
    return new LakeError(
      "unsupported",
      "source/subsetted",
      `The server's ${this.expected.name} holds resources marked SUBSETTED, which are not whole and would replace whole ones; have the server send full resources.`,
    );
  }
}

function isWhole(line: Buffer): boolean {
  try {
    JSON.parse(line.toString("utf8").replace(/^\ufeff/, ""));
    return true;
  } catch {
    return false;
  }
}
