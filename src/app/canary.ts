import type { Database } from "#duckdb";
import type { EventStore } from "#events";
import type { Clock } from "#kernel";
import type { Lake, Snapshot } from "#lake";
import { compareStates, type LakeCatalog, mergedReader, type StateComparison } from "#query";
import type { HandOver, LiveLake } from "#speed";

/** The stream of what the checks came to. */
export const SELF_CHECK_STREAM = "self-check/merged-reads";

/** What one check came to, as the journal keeps it. */
export interface SelfCheckResult extends StateComparison {
  /** ISO instant. */
  readonly checkedAt: string;
  /** Both states hold every change up to this epoch; they lie on these snapshots. */
  readonly epoch: number;
  readonly before: number;
  readonly after: number;
}

/** What the canary works on. */
export interface CanaryOptions {
  readonly lake: Lake;
  readonly journal: EventStore;
  readonly rows: LiveLake;
  /** The engine in which the live rows stand. */
  readonly database: Database;
  readonly batch: LakeCatalog;
  readonly clock: Clock;
  /** Least time between two checks. Default a minute. */
  readonly everyMs?: number;
  /** Views that one check compares, in turn. Default 3. */
  readonly viewsPerCheck?: number;
  /** Rows of a view that are compared, about. Default 200,000. */
  readonly mostRows?: number;
  /** 0 to 1, exclusive: which part of a larger view. Default random. */
  readonly random?: () => number;
  readonly onResult?: (result: SelfCheckResult) => void;
  /** Told of every check that found a difference. */
  readonly onDifference?: (result: SelfCheckResult) => Promise<void>;
  readonly onError?: (error: unknown) => void;
}

/** A running canary. */
export interface Canary {
  /** The newest check of this process; undefined before the first. */
  last(): SelfCheckResult | undefined;
  /** Ends after the check under way is stopped. */
  stop(): Promise<void>;
}

/**
 * True when a snapshot holds the same resources as the one before plus changes of the journal alone, so that at one epoch both must give the same
 * rows: a flush, a compaction, the building of views, news about a source.
 */
export function hasEqualInputs(previous: Snapshot, next: Snapshot): boolean {
  const { operation } = next;
  if (["compact", "build-views", "source-state", "migrate"].includes(operation.kind)) return true;
  if (operation.kind !== "ingest") return false;
  const covered = (snapshot: Snapshot): number => snapshot.sources[operation.source]?.journalPosition ?? 0;
  // Only a flush moves what is covered of the journal, and a flush lands nothing else.
  return covered(next) > covered(previous);
}

function release({ before, after }: HandOver): void {
  before.release();
  after.release();
}

class Watcher implements Canary {
  private readonly options: CanaryOptions;
  private readonly abort = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private checkedMs = Number.NEGATIVE_INFINITY;
  private turn = 0;
  private newest: SelfCheckResult | undefined;

  constructor(options: CanaryOptions) {
    this.options = options;
    options.rows.onHandOver((handOver) => this.take(handOver));
  }

  last(): SelfCheckResult | undefined {
    return this.newest;
  }

  async stop(): Promise<void> {
    this.options.rows.onHandOver(undefined);
    this.abort.abort();
    await this.running;
  }

  /** Checks a hand-over unless one was checked, or began to be, a short while ago. */
  private take(handOver: HandOver): void {
    const { everyMs = 60_000, clock } = this.options;
    const nowMs = clock.now().getTime();
    if (nowMs - this.checkedMs < everyMs) {
      release(handOver);
      return;
    }
    const earlierMs = this.checkedMs;
    this.checkedMs = nowMs;
    this.running = this.running
      .then(async () => {
        if (!(await this.check(handOver))) this.checkedMs = earlierMs;
      })
      .catch((error: unknown) => {
        if (!this.abort.signal.aborted) this.options.onError?.(error);
      })
      .finally(() => release(handOver));
  }

  private async equalInputs(from: number, to: number): Promise<boolean> {
    const { history } = this.options.lake;
    let previous = await history.at(from);
    for (let id = from + 1; id <= to; id++) {
      const next = await history.at(id);
      if (!hasEqualInputs(previous, next)) return false;
      previous = next;
    }
    return true;
  }

  /** False when there was nothing to compare. */
  private async check({ before, after }: HandOver): Promise<boolean> {
    const { rows, batch, database } = this.options;
    this.abort.signal.throwIfAborted();
    if (!(await this.equalInputs(before.snapshot, after.snapshot))) return false;
    const catalog = { batch, live: rows, database };
    const older = await mergedReader(catalog, before);
    try {
      const newer = await mergedReader(catalog, after);
      try {
        const comparison = await compareStates(
          database,
          { before: older, after: newer },
          {
            views: this.sample([...newer.views.keys()]),
            mostRows: this.options.mostRows ?? 200_000,
            slice: (this.options.random ?? Math.random)(),
            signal: this.abort.signal,
          },
        );
        await this.record({
          ...comparison,
          checkedAt: this.options.clock.now().toISOString(),
          epoch: after.position,
          before: before.snapshot,
          after: after.snapshot,
        });
        return true;
      } finally {
        newer.release();
      }
    } finally {
      older.release();
    }
  }

  /** The views whose turn it is. */
  private sample(names: readonly string[]): string[] {
    const count = Math.min(names.length, this.options.viewsPerCheck ?? 3);
    const chosen = Array.from({ length: count }, (_, offset) => names[(this.turn + offset) % names.length]!);
    this.turn += count;
    return chosen;
  }

  private async record(result: SelfCheckResult): Promise<void> {
    const { journal, onResult, onDifference } = this.options;
    this.newest = result;
    onResult?.(result);
    await journal.append({
      stream: SELF_CHECK_STREAM,
      events: [{ type: "merged-reads-compared", data: result }],
      expected: "any",
    });
    if (result.differences.length > 0) await onDifference?.(result);
  }
}

/**
 * Watches merged reads in production: whenever a snapshot with equal inputs follows another, a few views are read over both at one epoch,
 * which must give the same rows. What is compared is held: its live versions by this process, its files by the time that `vacuum` spares snapshots.
 */
export function startCanary(options: CanaryOptions): Canary {
  return new Watcher(options);
}
