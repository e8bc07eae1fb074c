/** How a scenario is to be run. */
export interface BenchContext {
  /** A few seconds per scenario, for a smoke test; figures from it mean nothing. */
  readonly quick: boolean;
  /** Scratch folder, removed afterwards. */
  readonly scratch: string;
  readonly log: (text: string) => void;
}

/** One line of a scenario's report. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Least and greatest of the repeats. */
  readonly min?: number;
  readonly max?: number;
  /** The bound the figure is meant to keep, for example `<= 2`. */
  readonly bar?: string;
}

/** A measured comparison. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  run(context: BenchContext): Promise<Figure[]>;
}
