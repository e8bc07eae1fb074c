import { SandboxProcess } from "./sandbox-process.js";

/** How a pool starts and keeps processes. */
export interface ProcessPoolOptions {
  /** Where processes have their folders. */
  readonly folder: string;
  readonly memoryLimitBytes: number;
  /** So many processes that have held data are kept at most. */
  readonly most: number;
  /** A process that holds more memory when its statement is over is not kept. */
  readonly restingBytes: number;
  /** A process that waits for longer is ended. */
  readonly idleMs: number;
  /** Keeps a process ready that has held nobody's data, once the first statement came. */
  readonly warm: boolean;
}

/**
 * Processes that wait for their next statement. One that has held somebody's data waits for that audience alone; one that has held nobody's takes
 * any statement.
 */
export class ProcessPool {
  private readonly options: ProcessPoolOptions;
  /** In the order in which they came, each with what ends it when nobody wants it. */
  private readonly waiting = new Map<SandboxProcess, NodeJS.Timeout>();
  private starting = false;
  private closed = false;

  constructor(options: ProcessPoolOptions) {
    this.options = options;
  }

  /** A process for a statement, out of the pool. Fails with `query/sql-unavailable`. */
  async take(audience: string | undefined): Promise<SandboxProcess> {
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
    const isOneTooMany = process.isFresh && this.hasFresh();
    if (this.closed || isOneTooMany || process.residentBytes() > this.options.restingBytes) {
      process.end();
      return;
    }
    process.hold(false);
    const idle = setTimeout(() => this.remove(process).end(), this.options.idleMs);
    this.waiting.set(process, idle.unref());
    const used = [...this.waiting.keys()].filter((other) => !other.isFresh);
    if (used.length > this.options.most) this.remove(used[0]!).end();
  }

  private start(): Promise<SandboxProcess> {
    const { folder, memoryLimitBytes } = this.options;
    return SandboxProcess.start(folder, memoryLimitBytes);
  }

  private hasFresh(): boolean {
    return [...this.waiting.keys()].some((process) => process.isFresh);
  }

  private remove(process: SandboxProcess): SandboxProcess {
    clearTimeout(this.waiting.get(process));
    this.waiting.delete(process);
    return process;
  }

  private find(fits: (process: SandboxProcess) => boolean): SandboxProcess | undefined {
    const all = [...this.waiting.keys()];
    for (const gone of all.filter(({ failure }) => failure !== undefined)) this.remove(gone);
    const found = all.findLast((process) => process.failure === undefined && fits(process));
    return found === undefined ? undefined : this.remove(found);
  }

  /** Starts the process of a next statement while this one runs. */
  private renew(): void {
    const isReady = this.starting || this.hasFresh();
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

  private async end(which: (process: SandboxProcess) => boolean): Promise<void> {
    const ended = [...this.waiting.keys()].filter(which);
    for (const process of ended) this.remove(process).end();
    await Promise.all(ended.map((process) => process.gone()));
  }

  /** Ends every process that has held data. */
  async forget(): Promise<void> {
    await this.end((process) => !process.isFresh);
  }

  /** Ends every process that waits; none is kept from now on. */
  async close(): Promise<void> {
    this.closed = true;
    await this.end(() => true);
  }
}
