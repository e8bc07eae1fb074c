import type { RegisteredView } from "#batch";
import type { Config } from "#config";
import type { FhirHttp, IngestLimits, WaitingClock } from "#ingestion";
import type { Lake } from "#lake";
import type { OpenRun } from "#runs";
import type { SourceDefinition } from "./source.js";
import type { Turn } from "./turn.js";

/** The steps of a run, for progress displays. */
export type RunPhase = "fetch" | "check" | "store" | "deletes" | "views" | "compact" | "compare";

/** Told now and then; `total` 0 means unknown. */
export type OnRunProgress = (phase: RunPhase, done: number, total: number, what?: string) => void;

/** What every run of a lake's sources works with. */
export interface RunContext {
  readonly lake: Lake;
  readonly clock: WaitingClock;
  readonly config: Config;
  readonly views: ReadonlyMap<string, RegisteredView>;
  /** Taken for what needs much memory. */
  readonly turn: Turn;
  readonly onProgress?: OnRunProgress;
  /** A line for the log: codes, types and counts. */
  readonly log?: (message: string) => void;
}

/** One run at work. */
export interface RunAtWork extends RunContext {
  readonly source: SourceDefinition;
  readonly http: FhirHttp;
  readonly run: OpenRun;
  /** Of the lease: commits name it. */
  readonly fence: number;
  /** Fails with `runs/lease-lost` when another run has taken over. */
  readonly confirmLease: () => Promise<void>;
  /** Persistent, for this source alone. */
  readonly workDir: string;
  readonly signal: AbortSignal;
  readonly limits: Partial<IngestLimits>;
  /** The user has looked at a great share of deletes and wants them. */
  readonly acceptDeletes: boolean;
}
