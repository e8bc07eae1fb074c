import { SingleBar } from "cli-progress";

/** A progress display; on anything but a terminal it prints at most one line per step. */
export interface Progress {
  /** `done` and `total` in the same unit; total 0 means unknown. */
  update(done: number, total: number, what?: string): void;
  stop(): void;
}

/** Where a command writes: results to stdout, everything else to stderr. */
export class Output {
  readonly json: boolean;
  private readonly stdout: NodeJS.WriteStream;
  private readonly stderr: NodeJS.WriteStream;

  constructor(
    json: boolean,
    stdout: NodeJS.WriteStream = process.stdout,
    stderr: NodeJS.WriteStream = process.stderr,
  ) {
    this.json = json;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** The stream for results that are written piece by piece. */
  get results(): NodeJS.WriteStream {
    return this.stdout;
  }

  /** One line of result text; silent with `--json`. */
  line(text = ""): void {
    if (!this.json) this.stdout.write(`${text}\n`);
  }

  /** The result as one JSON document; silent without `--json`. */
  document(value: unknown): void {
    if (this.json) this.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** A message for people, never part of the result. */
  note(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  /** Rows as an aligned table; numbers to the right. Silent with `--json`. */
  table(columns: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    const cells = rows.map((row) =>
      row.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en-US") : cell)),
    );
    const widths = columns.map((name, i) =>
      Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0)),
    );
    const numeric = columns.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number"));
    const format = (row: readonly string[]): string =>
      row
        .map((cell, i) => (numeric[i] === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join("  ")
        .trimEnd();
    this.line(format(columns));
    this.line(widths.map((width) => "-".repeat(width)).join("  "));
    for (const row of cells) this.line(format(row));
  }

  progress(label: string): Progress {
    return this.stderr.isTTY ? new BarProgress(label, this.stderr) : new LineProgress(label, this.stderr);
  }
}

class BarProgress implements Progress {
  private readonly bar: SingleBar;
  private started = false;

  constructor(label: string, stream: NodeJS.WriteStream) {
    this.bar = new SingleBar({
      format: `${label.padEnd(12)} {bar} {percentage}% {what}`,
      stream,
      hideCursor: true,
      clearOnComplete: false,
      barsize: 30,
    });
  }

  update(done: number, total: number, what = ""): void {
    const most = total === 0 ? Math.max(1, done) : total;
    if (!this.started) {
      this.bar.start(most, done, { what });
      this.started = true;
    }
    this.bar.setTotal(most);
    this.bar.update(done, { what });
  }

  stop(): void {
    if (this.started) this.bar.stop();
  }
}

class LineProgress implements Progress {
  private readonly label: string;
  private readonly stream: NodeJS.WriteStream;
  private announced = false;

  constructor(label: string, stream: NodeJS.WriteStream) {
    this.label = label;
    this.stream = stream;
  }

  update(): void {
    if (this.announced) return;
    this.announced = true;
    this.stream.write(`${this.label} ...\n`);
  }

  stop(): void {
    // A line was printed when the step began; there is nothing to take back.
  }
}
