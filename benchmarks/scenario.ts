/** How a scenario is to be run. */
export interface BenchContext {
  /** A few seconds per scenario, for a smoke test; figures from it mean nothing. */
  readonly quick: boolean;
  /** Scratch folder, removed afterwards. */
  readonly scratch: string;
  /** Options beyond the runner's own, by name; a scenario refuses those it does not know. */
  readonly options: Readonly<Record<string, string>>;
  readonly log: (text: string) => void;
}

/** One line of a scenario's report. Without ends (`low`, `high` or `min`, `max`) it is reported as a single value. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Least and greatest of the repeats. */
  readonly min?: number;
  readonly max?: number;
  /** Rank interval of the median, and the chance that it holds the true one. */
  readonly low?: number;
  readonly high?: number;
  readonly coverage?: number;
  readonly repeats?: number;
  /** What the value is where it is no median of repeats, for example `p95 of 200 requests`; `min` and `max` are then those of the requests. */
  readonly basis?: string;
  /** The bound the figure is meant to keep, for example `<= 2`. */
  readonly bar?: string;
  /** Where the figure stands in tables and plots: what it is of, whose it is, and what was measured. */
  readonly at?: { readonly subject: string; readonly side: string; readonly what: string };
}

/** What a scenario answers beside its figures. */
export interface Outcome {
  readonly figures: readonly Figure[];
  /** Versions of what was compared, for example of a FHIR server, and settings that explain the figures. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Sentences that belong under the tables: what was left out and why. */
  readonly notes?: readonly string[];
}

/** A measured comparison. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  /** Names of the options that it takes as `--name=value`. */
  readonly options?: readonly string[];
  /** What tells results of these options from the scenario's main ones, for example `10000-patients`; undefined for the main ones. */
  readonly variant?: (options: Readonly<Record<string, string>>) => string | undefined;
  run(context: BenchContext): Promise<readonly Figure[] | Outcome>;
}
