import type { Definitions } from "#fhir";
import type { LandingProblem } from "#landing";
import type { BundleEntry } from "../ndjson/bundle.js";
import type { ByteSource } from "../ndjson/byte-source.js";
import { rewriteJson, TextBuffer } from "../ndjson/json-text.js";
import { LineReader, lineBuffer, type OversizePiece } from "../ndjson/line-reader.js";
import { ResourceScanner, type ScannedResource } from "../ndjson/scanner.js";
import { QuarantinePart } from "../quarantine/quarantine-file.js";
import { prefixRecord, type QuarantinedPiece, quarantineRecord } from "../quarantine/quarantine-record.js";
import { type ReasonCode, Rejection } from "../quarantine/reason.js";
import { BundleUnpacker, unpacksBundle } from "./bundle-unpacker.js";
import type { OpenUnit } from "./open-source.js";
import { RecordSink } from "./record-sink.js";
import {
  type Counts,
  type IngestUnit,
  noCounts,
  type ScanSummary,
  type UnitResult,
  type UnitSettings,
} from "./settings.js";

const TOO_LARGE = "The piece is longer than the limit allows; raise the limit to take it in.";

/** Called between buffers; awaiting it gives others their turn. `unit` has what is counted so far. */
export type Heartbeat = (consumedBytes: number, counts: Readonly<Counts>) => Promise<void> | void;

/** Scans units one after the other and lands what is good; one per thread. */
export class UnitScanner {
  private readonly settings: UnitSettings;
  private readonly scanner: ResourceScanner;
  private readonly unpacker: BundleUnpacker;
  private readonly sink: RecordSink;
  private buffer = lineBuffer();
  private readonly text = new TextBuffer();

  constructor(definitions: Definitions, settings: UnitSettings, lane: { index: number; count: number }) {
    this.settings = settings;
    this.scanner = new ResourceScanner(definitions, settings.limits);
    this.unpacker = new BundleUnpacker(definitions, settings.limits.maxDepth);
    this.sink = new RecordSink(settings, lane);
  }

  /** Scans one unit to its end and closes its source. */
  async scan(opened: OpenUnit, heartbeat: Heartbeat): Promise<UnitResult> {
    const { settings, scanner, unpacker, sink, buffer, text } = this;
    const run = new UnitRun(opened, { settings, scanner, unpacker, sink, buffer, text });
    try {
      return await run.scan(heartbeat);
    } finally {
      run.close();
      // A buffer that has grown is used again: two big documents must not hold two buffers until they are collected.
      this.buffer = run.buffer;
    }
  }

  /** Makes the landing files durable and tells what was in them. */
  finish(): ScanSummary {
    const observed: Record<string, readonly string[]> = {};
    const unknownElements: Record<string, Readonly<Record<string, number>>> = {};
    for (const root of this.scanner.observations()) {
      const paths = root.observedPaths();
      if (paths.length > 0) observed[root.type] = paths;
      if (root.unknown.size > 0) unknownElements[root.type] = Object.fromEntries(root.unknown);
    }
    return { files: this.sink.writer.finish(), observed, unknownElements };
  }

  /** Closes what is open after a failure. */
  abandon(): void {
    this.sink.writer.abandon();
  }
}

interface Tools {
  readonly settings: UnitSettings;
  readonly scanner: ResourceScanner;
  readonly unpacker: BundleUnpacker;
  readonly sink: RecordSink;
  readonly buffer: Buffer;
  /** Where texts are put together that cannot be stored as they are. */
  readonly text: TextBuffer;
}

/** One pass over one unit. */
class UnitRun {
  private readonly unit: IngestUnit;
  private readonly source: ByteSource;
  private readonly tools: Tools;
  private readonly reader: LineReader;
  private readonly quarantine: QuarantinePart;
  private readonly counts = noCounts();
  private readonly problems: LandingProblem[] = [];

  constructor(opened: OpenUnit, tools: Tools) {
    const { unit, source } = opened;
    this.unit = unit;
    this.source = source;
    this.tools = tools;
    const { maxLineBytes, maxDocumentBytes } = tools.settings.limits;
    // A document may stand on one line; its length is judged when it is known to be one.
    const longest = unit.detect ? Math.max(maxLineBytes, maxDocumentBytes) : maxLineBytes;
    this.reader = new LineReader(source, {
      maxLineBytes: longest,
      startOffset: unit.start,
      expectedBytes: unit.detect ? unit.sizeHint : 0,
      buffer: tools.buffer,
    });
    this.quarantine = new QuarantinePart(tools.settings.landingDir, unit.ordinal);
  }

  get buffer(): Buffer {
    return this.reader.bytes;
  }

  close(): void {
    this.quarantine.close();
    this.source.close();
  }

  async scan(heartbeat: Heartbeat): Promise<UnitResult> {
    const { unit, reader, counts } = this;
    let undecided = unit.detect;
    const stop = unit.end ?? Number.POSITIVE_INFINITY;
    while (reader.nextOffset < stop && (await reader.fill())) {
      for (let event = reader.next(); event !== "none"; event = reader.next()) {
        const offset = event === "oversize" ? reader.oversize!.offset : reader.offset;
        if (offset >= stop) return this.result();
        counts.lines++;
        if (event === "oversize") this.refuseOversize(reader.oversize!);
        else if (event === "broken") this.refuseBroken(reader.failure!);
        else if (isBlank(reader.bytes, reader.start, reader.end)) counts.blank++;
        else if (undecided && !this.isWholeValue()) return await this.document(heartbeat);
        else {
          this.piece(false);
          undecided = false;
          reader.maxLineBytes = this.tools.settings.limits.maxLineBytes;
        }
      }
      await heartbeat(this.source.consumedBytes, counts);
    }
    return this.result();
  }

  private result(): UnitResult {
    return { ordinal: this.unit.ordinal, counts: this.counts, problems: this.problems };
  }

  /** False when the first line of a file is only the beginning of a JSON value: then the file is one document. */
  private isWholeValue(): boolean {
    const { bytes, start, end } = this.reader;
    const { scanner } = this.tools;
    try {
      scanner.scan(bytes, start, end, { bundleMayLackId: true });
    } catch (error) {
      if (error instanceof Rejection) return error.code !== "truncated" || scanner.endedInString;
      throw error;
    }
    return true;
  }

  /** The line is a piece of a JSON document: takes the rest of the input to it. */
  private async document(heartbeat: Heartbeat): Promise<UnitResult> {
    const { reader } = this;
    const event = await reader.document(this.tools.settings.limits.maxDocumentBytes);
    if (event === "oversize") this.refuseOversize(reader.oversize!);
    else if (event === "broken") this.refuseBroken(reader.failure!);
    else this.piece(true);
    await heartbeat(this.source.consumedBytes, this.counts);
    return this.result();
  }

  /** Scans, checks and lands the reader's current piece. */
  private piece(document: boolean): void {
    const { bytes, start, end, valid } = this.reader;
    const { scanner, settings } = this.tools;
    const position = this.unit.positionBase + this.reader.offset;
    try {
      if (!valid) throw new Rejection("invalid-utf8", "The text is not UTF-8.", -1);
      const resource = scanner.scan(bytes, start, end, { multiline: document, bundleMayLackId: true });
      if (resource.type === "Bundle") {
        const inDocument = document || this.unit.json;
        if (unpacksBundle(this.unit.bundles ?? settings.bundles, resource.bundleType, inDocument)) {
          this.unpack(bytes, start, end);
          return;
        }
        if (resource.id === "")
          throw new Rejection("missing-id", "A Bundle without id cannot be stored.", start);
      }
      this.store(resource, document, position);
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      this.refuse(error, bytes, start, end);
    }
  }

  private store(resource: ScannedResource, document: boolean, position: number): void {
    const { scanner, sink, text } = this.tools;
    let { bytes, start, end } = this.reader;
    this.checkLength(start, end);
    if (document || scanner.hasCarriageReturn) {
      text.clear();
      rewriteJson(bytes, start, end, { compact: true }, text);
      bytes = text.bytes;
      start = 0;
      end = text.length;
    }
    sink.update(resource, bytes, start, end, position);
    scanner.keep();
    this.counts.accepted++;
  }

  private checkLength(start: number, end: number): void {
    if (end - start <= this.tools.settings.limits.maxLineBytes) return;
    throw new Rejection("too-large", TOO_LARGE, -1);
  }

  private unpack(bytes: Buffer, start: number, end: number): void {
    const { unpacker } = this.tools;
    const references = unpacker.references(bytes, start, end);
    this.counts.unpacked++;
    let index = -1;
    unpacker.each(bytes, start, end, (entry) => {
      index++;
      this.counts.entries++;
      try {
        this.entry(entry, bytes, references);
      } catch (error) {
        if (!(error instanceof Rejection)) throw error;
        const place = entry.resource ?? entry;
        this.refuse(error, bytes, place.start, place.end, index);
      }
    });
  }

  private entry(entry: BundleEntry, bytes: Buffer, references: ReadonlyMap<string, string>): void {
    const { scanner, sink, unpacker } = this.tools;
    const action = unpacker.action(entry, bytes, references);
    const place = (entry.resource ?? entry).start;
    const position = this.unit.positionBase + this.reader.offset + place - this.reader.start;
    if (action.kind === "skip") {
      this.counts.skipped++;
      return;
    }
    if (action.kind === "delete") sink.delete(action.facts, position);
    else {
      this.checkLength(0, action.end);
      const resource = this.rescan(action.bytes, action.end, place);
      sink.update(resource, action.bytes, 0, action.end, position);
      scanner.keep();
    }
    this.counts.accepted++;
  }

  /** Scans an entry's resource; positions of a refusal are moved to where the resource stood. */
  private rescan(raw: Buffer, end: number, place: number): ScannedResource {
    try {
      return this.tools.scanner.scan(raw, 0, end);
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      throw new Rejection(error.code, error.message, place + error.at);
    }
  }

  private refuse(rejection: Rejection, bytes: Buffer, start: number, end: number, entry?: number): void {
    const at = rejection.at >= start && rejection.at <= end ? rejection.at - start : undefined;
    const offset = this.reader.offset + start - this.reader.start;
    const piece = this.describe(rejection.code, rejection.message, offset, { at, entry });
    this.quarantine.append(quarantineRecord(piece, bytes.subarray(start, end)));
    this.counts.quarantined++;
  }

  private refuseOversize(piece: OversizePiece): void {
    const place = this.describe("too-large", TOO_LARGE, piece.offset, {});
    this.quarantine.append(prefixRecord(place, piece.prefix, piece.length, piece.sha256));
    this.counts.quarantined++;
  }

  /** What follows the last line end before an input broke off: half a line, or nothing. */
  private refuseBroken(failure: Rejection): void {
    const { bytes, start, end } = this.reader;
    this.problems.push({ input: this.unit.name, code: failure.code, message: failure.message });
    this.refuse(new Rejection(failure.code, failure.message, -1), bytes, start, end);
  }

  private describe(
    reason: ReasonCode,
    message: string,
    offset: number,
    more: { at?: number | undefined; entry?: number | undefined },
  ): QuarantinedPiece {
    return { file: this.unit.name, offset, line: this.counts.lines, reason, message, ...more };
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const c = bytes[i]!;
    if (c !== 0x20 && c !== 0x09 && c !== 0x0d) return false;
  }
  return true;
}
