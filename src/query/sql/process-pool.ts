import { SandboxProcess } from "./sandbox-process.js";

/** Processes that nobody has asked for in so long are ended. */
const WAIT_MS = 300_000;

/** How a pool starts and keeps processes. */
export interface ProcessPoolOptions {
  /** Where processes have their folders. */
  readonly folder: string;
  readonly memoryLimitBytes: number;
  /** So many processes that have held data are kept at most. */
  readonly most: number;
  /** A process that holds more memory when its statement is over is not kept. */
  readonly restingBytes: number;
  /** Keeps a process ready that has held nobody's data, once the first statement came. */
  readonly warm: boolean;
}

/**
 * Processes that wait for their next statement. One that has held somebody's data waits for that audience alone; one that has held nobody's takes
 * any statement.
 */
export class ProcessPool {
  private readonly options: ProcessPoolOptions;
  /** In the order in which they came. */
  private readonly waiting: SandboxProcess[] = [];
  private starting = false;
  private closed = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(options: ProcessPoolOptions) {
    this.options = options;
  }

  /** A process for a statement, out of the pool. Fails with `query/sql-unavailable`. */
  async take(audience: string | undefined): Promise<SandboxProcess> {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.endAll(), WAIT_MS);
    this.timer.unref();
    const found =
      this.find((process) => !process.isFresh && process.takes(audience)) ??
      this.find((process) => process.isFresh);
    const taken = found ?? (await this.start());
    taken.hold(true);
    this.renew();
    return taken;
  }

  /** Puts a process that may take another statement back; one too many, or too large, is ended. */
  put(process: SandboxProcess): void {
    const isOneTooMany = process.isFresh && this.waiting.some((other) => other.isFresh);
    if (this.closed || isOneTooMany || process.residentBytes() > this.options.restingBytes) {
      process.end();
      return;
    }
    process.hold(false);
    this.waiting.push(process);
    const used = this.waiting.filter((other) => !other.isFresh);
    if (used.length > this.options.most) this.remove(used[0]!).end();
  }

  private start(): Promise<SandboxProcess> {
    const { folder, memoryLimitBytes } = this.options;
    return SandboxProcess.start(folder, memoryLimitBytes);
  }

  private remove(process: SandboxProcess): SandboxProcess {
    this.waiting.splice(this.waiting.indexOf(process), 1);
    return process;
  }

  private find(fits: (process: SandboxProcess) => boolean): SandboxProcess | undefined {
    for (const gone of this.waiting.filter(({ failure }) => failure !== undefined)) this.remove(gone);
    const found = this.waiting.findLast(fits);
    return found === undefined ? undefined : this.remove(found);
  }

  /** Starts the process of a next statement while this one runs. */
  private renew(): void {
    const isReady = this.starting || this.waiting.some((process) => process.isFresh);
    if (!this.options.warm || this.closed || isReady) return;
    this.starting = true;
    this.start()
      .then(
        (started) => this.put(started),
        // The next statement tries, and tells.
        () => undefined,
      )
      .finally(() => {
        this.starting = false;
      });
  }

  private endAll(): SandboxProcess[] {
    const all = this.waiting.splice(0);
    for (const process of all) process.end();
    return all;
  }

  /** Ends every process that waits; none is kept from now on. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await Promise.all(this.endAll().map((process) => process.gone()));
  }
}
