/** What became of a run. `interrupted`: its process ended without a word, or was told to stop. */
export type RunState = "running" | "succeeded" | "incomplete" | "failed" | "interrupted";

/** One resource type of a run. Counts are of resources; `fetched = stored + superseded + unchanged + quarantined`. */
export interface RunType {
  /** FHIR instant from which changes were asked for; null for everything. */
  readonly since: string | null;
  /** The server's time up to which the answer holds; null while it is not known. */
  readonly transactionTime: string | null;
  readonly fetched: number;
  /** Of these `deleted` are deletes. */
  readonly stored: number;
  readonly deleted: number;
  readonly superseded: number;
  readonly unchanged: number;
  readonly quarantined: number;
  /** Why the type's watermark did not advance; null when it did. */
  readonly error: string | null;
}

/** What one run did, as its last event tells it. No part of it holds patient data. */
export interface RunRecord {
  /** Sorts by the time of its start. */
  readonly runId: string;
  readonly source: string;
  readonly state: RunState;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  /** How the source was read; null until that is decided. */
  readonly kind: "bulk" | "search" | null;
  /** True when everything was asked for again. */
  readonly full: boolean;
  /** The run whose downloads this one went on with. */
  readonly resumes: string | null;
  /** The snapshot with the run's data; null when it made none. */
  readonly snapshot: number | null;
  readonly types: Readonly<Record<string, RunType>>;
  /**
   * Of the resources that the run stored: how many different resources they refer to, and by type how many of those the lake does not
   * have; absent where that was not counted.
   */
  readonly references?: {
    readonly targets: number;
    readonly unresolved: Readonly<Record<string, number>>;
  };
  /** Why it failed: a stable code and a sentence. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** What to know beside: skipped checks, deletes that wait for a decision. */
  readonly warnings: readonly string[];
  readonly statistics: {
    readonly requests: number;
    readonly retries: number;
    readonly bytes: number;
    readonly resumedFiles: number;
  } | null;
  /** Milliseconds by step, in the order of the steps. */
  readonly durations: Readonly<Record<string, number>>;
  /** Who ran it: a command or the scheduler. */
  readonly trigger: string;
}
