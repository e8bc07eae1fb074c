import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { LakeError } from "#kernel";
import { cancelled } from "./failure.js";
import { SandboxProcess, type StatementLimits } from "./sandbox-process.js";

const MIB = 2 ** 20;

/** How users' statements may use the machine. */
export interface SandboxOptions {
  /** Memory of the engine per statement; 512 MiB when absent. */
  readonly memoryLimitBytes?: number;
  /** Threads per statement; half of the cores when absent. */
  readonly threads?: number;
  /** A statement that takes longer is ended; 300,000 when absent. */
  readonly deadlineMs?: number;
  /** Disk per statement, for what does not fit into memory; 10 GiB when absent. */
  readonly diskBytes?: number;
  /** So many statements run at once, further ones wait; as many as cores, at most 4, when absent. */
  readonly most?: number;
  /** How long a statement waits for its turn; 30,000 when absent. */
  readonly waitMs?: number;
  /**
   * A process that has been given the data of so many statements is replaced; 1 when absent: nothing of one statement is near another. One whose
   * statement was refused before it got any data stays.
   */
  readonly statementsPerProcess?: number;
  /** Keeps a started process ready once the first statement came. */
  readonly warm?: boolean;
}

/** A process for one statement, with its folder. Give it back when the statement is over. */
export interface SandboxTurn {
  readonly process: SandboxProcess;
  /** Empty, absolute, removed with everything in it in the end. */
  readonly folder: string;
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** True when the process may be given another statement after this one. */
  reusable(): boolean;
  /** `clean` says that the process is ready for another statement; otherwise it is ended. */
  giveBack(clean: boolean): void;
}

/** A spare process that nobody asked for in so long is ended. */
const SPARE_MS = 300_000;

/**
 * Processes that run users' statements: one per statement, each ended when it takes too much or too long, or when nobody wants the answer any more. Whatever
 * happens in one of them, the server goes on.
 */
export class Sandbox {
  private readonly options: Required<SandboxOptions>;
  private readonly folder: string;
  private readonly spare: SandboxProcess[] = [];
  private readonly running = new Set<SandboxProcess>();
  private readonly queue: (() => void)[] = [];
  private readonly removals = new Set<Promise<void>>();
  private turns = 0;
  private closed = false;
  private spareTimer: NodeJS.Timeout | undefined;

  /** Folders of statements are made in `folder`. Nothing is started yet. */
  constructor(folder: string, options: SandboxOptions = {}) {
    const cores = availableParallelism();
    this.folder = path.resolve(folder);
    this.options = {
      memoryLimitBytes: 512 * MIB,
      threads: Math.max(1, Math.floor(cores / 2)),
      deadlineMs: 300_000,
      diskBytes: 10 * 1024 * MIB,
      most: Math.min(cores, 4),
      waitMs: 30_000,
      statementsPerProcess: 1,
      warm: false,
      ...options,
    };
  }

  private limits(deadlineMs: number | undefined): StatementLimits {
    const { memoryLimitBytes, diskBytes } = this.options;
    // The engine bounds what it buffers; values, the program and the runtime come on top.
    return {
      rssBytes: memoryLimitBytes * 1.25 + 192 * MIB,
      diskBytes,
      deadlineMs: deadlineMs ?? this.options.deadlineMs,
    };
  }

  /** Waits until fewer statements than the most are running. */
  private async turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.turns < this.options.most) {
      this.turns++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (error: LakeError): void => {
        clearTimeout(timer);
        this.queue.splice(this.queue.indexOf(enter), 1);
        reject(error);
      };
      const abort = (): void => leave(cancelled());
      const enter = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        leave(
          new LakeError("unavailable", "query/sql-busy", "Too many statements are running; try again soon.", {
            retryable: true,
          }),
        );
      }, this.options.waitMs);
      signal?.addEventListener("abort", abort, { once: true });
      this.queue.push(enter);
    });
  }

  private leave(): void {
    const next = this.queue.shift();
    if (next === undefined) this.turns--;
    else next();
  }

  private async process(): Promise<SandboxProcess> {
    for (let found = this.spare.pop(); found !== undefined; found = this.spare.pop()) {
      if (found.failure !== undefined) continue;
      found.hold(true);
      return found;
    }
    return await SandboxProcess.start(this.options.memoryLimitBytes);
  }

  /** Starts the process of the next statement while this one runs. */
  private prepareSpare(): void {
    clearTimeout(this.spareTimer);
    if (!this.options.warm || this.closed) return;
    this.spareTimer = setTimeout(() => this.endSpares(), SPARE_MS);
    this.spareTimer.unref();
    if (this.spare.length > 0) return;
    SandboxProcess.start(this.options.memoryLimitBytes).then(
      (started) => this.keep(started),
      // The next statement tries, and tells.
      () => undefined,
    );
  }

  private keep(process: SandboxProcess): void {
    if (this.closed || this.spare.length > 0) process.end();
    else {
      process.hold(false);
      this.spare.push(process);
    }
  }

  private endSpares(): void {
    for (const process of this.spare.splice(0)) process.end();
  }

  /**
   * A process for one statement, watched from now on. Fails with `query/sql-busy` when too many are running for too long,
   * `query/sql-cancelled` when the signal aborts first; later the signal ends the process.
   */
  async enter(signal?: AbortSignal, deadlineMs?: number): Promise<SandboxTurn> {
    if (signal?.aborted === true) throw cancelled();
    if (this.closed) throw cancelled();
    await this.turn(signal);
    const folder = path.join(this.folder, `sql-${randomUUID()}`);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const process = await this.process();
      return this.begin(process, folder, this.limits(deadlineMs), signal);
    } catch (error) {
      this.leave();
      this.remove(folder, Promise.resolve());
      throw error;
    }
  }

  private begin(
    process: SandboxProcess,
    folder: string,
    limits: StatementLimits,
    signal: AbortSignal | undefined,
  ): SandboxTurn {
    const stopWatching = process.watch(limits, folder);
    const abort = (): void => process.end(cancelled());
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted === true) abort();
    this.running.add(process);
    this.prepareSpare();
    const reusable = (): boolean =>
      !this.closed && process.failure === undefined && process.statements < this.options.statementsPerProcess;
    let open = true;
    return {
      process,
      folder,
      memoryLimitBytes: this.options.memoryLimitBytes,
      threads: this.options.threads,
      reusable,
      giveBack: (clean) => {
        if (!open) return;
        open = false;
        stopWatching();
        signal?.removeEventListener("abort", abort);
        this.running.delete(process);
        this.leave();
        const again = clean && reusable();
        if (again) this.keep(process);
        else process.end();
        this.remove(folder, again ? Promise.resolve() : process.gone());
      },
    };
  }

  /** Removes a folder as soon as nobody writes to it. */
  private remove(folder: string, unused: Promise<void>): void {
    const removal = unused
      .then(() => rm(folder, { recursive: true, force: true }))
      // What is left over goes with the folder around it.
      .catch(() => undefined)
      .finally(() => this.removals.delete(removal));
    this.removals.add(removal);
  }

  /** Ends every process, those that run included, and removes their folders. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.spareTimer);
    const all = [...this.running, ...this.spare];
    for (const process of all) process.end(cancelled());
    this.spare.length = 0;
    await Promise.all(all.map((process) => process.gone()));
    await Promise.all(this.removals);
  }
}
