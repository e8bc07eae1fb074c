import { LakeError } from "#kernel";
import type { LandingCounts } from "#landing";
import { addCounts, type Counts, noCounts, type UnitResult } from "./settings.js";

/** Called now and then: input bytes read, their total (undefined when an input is a stream), what became of them. */
export type OnProgress = (bytes: number, totalBytes: number | undefined, counts: LandingCounts) => void;

/** Adds up the progress of all units and ends the run when too much is refused. */
export class Tally {
  readonly results: UnitResult[] = [];
  private readonly open = new Map<number, { bytes: number; counts: LandingCounts }>();
  private readonly done = { bytes: 0, counts: noCounts() };
  private readonly totalBytes: number | undefined;
  private readonly maxQuarantined: number;
  private readonly onProgress: OnProgress | undefined;

  constructor(totalBytes: number | undefined, maxQuarantined: number, onProgress: OnProgress | undefined) {
    this.totalBytes = totalBytes;
    this.maxQuarantined = maxQuarantined;
    this.onProgress = onProgress;
  }

  /** What a running unit has done so far. Errors: `ingestion/too-many-quarantined`. */
  update(unit: number, bytes: number, counts: LandingCounts): void {
    this.open.set(unit, { bytes, counts: { ...counts } });
    this.report();
  }

  /** A unit came to its end. */
  finish(result: UnitResult, bytes: number): void {
    this.open.delete(result.ordinal);
    this.results.push(result);
    this.done.bytes += bytes;
    addCounts(this.done.counts, result.counts);
    this.report();
  }

  /** The sums over all units. */
  counts(): Counts {
    const sum = { ...this.done.counts };
    for (const unit of this.open.values()) addCounts(sum, unit.counts);
    return sum;
  }

  private report(): void {
    const counts = this.counts();
    let bytes = this.done.bytes;
    for (const unit of this.open.values()) bytes += unit.bytes;
    this.onProgress?.(bytes, this.totalBytes, counts);
    if (counts.quarantined <= this.maxQuarantined) return;
    throw new LakeError(
      "invalid-input",
      "ingestion/too-many-quarantined",
      `More than ${this.maxQuarantined} lines were refused, so the run was stopped; look at the quarantine file or raise the limit.`,
      { details: { quarantined: counts.quarantined } },
    );
  }
}
