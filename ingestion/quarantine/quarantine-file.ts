import { closeSync, createReadStream, fsyncSync, openSync, unlinkSync, writeSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { QUARANTINE_NAME } from "#landing";
import { storageFailure } from "#storage";
import type { QuarantineRecord } from "./quarantine-record.js";

/** The refused pieces of one unit of work; the file is made with the first of them. */
export class QuarantinePart {
  readonly file: string;
  private fd: number | undefined = undefined;

  constructor(landingDir: string, unit: number) {
    this.file = partFile(landingDir, unit);
  }

  append(record: QuarantineRecord): void {
    try {
      this.fd ??= openSync(this.file, "wx");
      writeSync(this.fd, `${JSON.stringify(record)}\n`);
    } catch (error) {
      throw storageFailure("write", this.file, error);
    }
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }
}

function partFile(landingDir: string, unit: number): string {
  return path.join(landingDir, `quarantine.${unit}.part`);
}

/** One unit's share of the quarantine and the number of lines of its file that earlier units read. */
export interface QuarantineShare {
  readonly unit: number;
  readonly linesBefore: number;
}

/**
 * Joins the parts in the given order into `quarantine.ndjson`, forced to the disk, with line numbers counted from the
 * start of each file, and removes them. No file is made when there are no parts. Memory is bounded by one record.
 */
export async function joinQuarantine(landingDir: string, shares: readonly QuarantineShare[]): Promise<void> {
  if (shares.length === 0) return;
  const target = path.join(landingDir, QUARANTINE_NAME);
  try {
    const fd = openSync(target, "wx");
    for (const share of shares) {
      const part = partFile(landingDir, share.unit);
      for await (const line of createInterface({ input: createReadStream(part), crlfDelay: Infinity })) {
        writeSync(fd, `${moved(line, share.linesBefore)}\n`);
      }
      unlinkSync(part);
    }
    fsyncSync(fd);
    closeSync(fd);
  } catch (error) {
    throw storageFailure("write", target, error);
  }
}

function moved(line: string, linesBefore: number): string {
  if (linesBefore === 0) return line;
  const record = JSON.parse(line) as QuarantineRecord;
  return JSON.stringify({ ...record, line: record.line + linesBefore });
}
