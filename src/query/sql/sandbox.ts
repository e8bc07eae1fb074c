import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { LakeError } from "#kernel";
import { cancelled } from "./failure.js";
import { ProcessPool } from "./process-pool.js";
import type { SandboxProcess, StatementLimits } from "./sandbox-process.js";

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
  /** A process that still holds more memory when its statement is over is ended; 256 MiB when absent. */
  readonly restingBytes?: number;
  /** A process that waits for a statement for longer is ended; 300,000 when absent. */
  readonly idleMs?: number;
  /** Keeps a started process ready once the first statement came; false when absent. */
  readonly warm?: boolean;
}

/** Who asks, and for how long. */
export interface EnterOptions {
  /**
   * Opaque name of who asks, in what they may see: their statements may run in one process, one after the other. Absent: no other statement is run where
   * this one's data were.
   */
  readonly audience?: string | undefined;
  /** Aborting it ends the statement at once. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time in milliseconds; the sandbox's when absent. */
  readonly deadlineMs?: number | undefined;
}

/** A process for one statement, with its folder. Give it back when the statement is over. */
export interface SandboxTurn {
  readonly process: SandboxProcess;
  /** Of the statement: empty, absolute, removed with everything in it in the end. */
  readonly folder: string;
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** See {@link EnterOptions.audience}. */
  readonly audience: string | undefined;
  /** True when the process may be given another statement of its audience after this one. */
  reusable(): boolean;
  /** `clean` says that the process is ready for another statement; otherwise it is ended. */
  giveBack(clean: boolean): void;
}

/**
 * Processes that run users' statements, one at a time each, and are ended when a statement takes too much or too long, or when nobody wants the answer any
 * more. Statements of different audiences never meet in one of them. Whatever happens there, the server goes on.
 */
export class Sandbox {
  private readonly options: Required<SandboxOptions>;
  private readonly pool: ProcessPool;
  private readonly running = new Set<SandboxProcess>();
  private readonly queue: (() => void)[] = [];
  private readonly unsettled = new Set<Promise<void>>();
  private turns = 0;
  private closed = false;

  /** Folders of processes are made in `folder`. Nothing is started yet. */
  constructor(folder: string, options: SandboxOptions = {}) {
    const cores = availableParallelism();
    this.options = {
      memoryLimitBytes: 512 * MIB,
      threads: Math.max(1, Math.floor(cores / 2)),
      deadlineMs: 300_000,
      diskBytes: 10 * 1024 * MIB,
      most: Math.min(cores, 4),
      waitMs: 30_000,
      restingBytes: 256 * MIB,
      idleMs: 300_000,
      warm: false,
      ...options,
    };
    this.pool = new ProcessPool({ ...this.options, folder: path.resolve(folder) });
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

  /**
   * A process for one statement of an audience, watched from now on. Fails with `query/sql-busy` when too many are running for too long,
   * `query/sql-cancelled` when the signal aborts first; later the signal ends the process.
   */
  async enter({ audience, signal, deadlineMs }: EnterOptions): Promise<SandboxTurn> {
    if (signal?.aborted === true) throw cancelled();
    if (this.closed) throw cancelled();
    await this.turn(signal);
    let process: SandboxProcess | undefined;
    try {
      process = await this.pool.take(audience);
      const folder = await process.newFolder();
      return this.begin({ process, folder, audience }, this.limits(deadlineMs), signal);
    } catch (error) {
      process?.end();
      this.leave();
      throw error;
    }
  }

  private begin(
    { process, folder, audience }: Pick<SandboxTurn, "process" | "folder" | "audience">,
    limits: StatementLimits,
    signal: AbortSignal | undefined,
  ): SandboxTurn {
    const stopWatching = process.watch(limits);
    const abort = (): void => process.end(cancelled());
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted === true) abort();
    this.running.add(process);
    const reusable = (): boolean => !this.closed && process.takes(audience);
    let open = true;
    return {
      process,
      folder,
      audience,
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
        if (!clean || !reusable()) {
          process.end();
          this.settle(process.gone());
        } else {
          // What it cannot remove now goes with the process.
          this.settle(rm(folder, { recursive: true, force: true }).catch(() => undefined));
          this.pool.put(process);
        }
      },
    };
  }

  /** Remembers work that `close` waits for. */
  private settle(work: Promise<void>): void {
    const settled = work.finally(() => this.unsettled.delete(settled));
    this.unsettled.add(settled);
  }

  /** Keeps no process that holds or has held data: those that wait end at once, those that run with their statement. */
  async forget(): Promise<void> {
    for (const process of this.running) process.retire();
    await this.pool.forget();
  }

  /** Ends every process, those that run included, and removes their folders. */
  async close(): Promise<void> {
    this.closed = true;
    for (const process of this.running) process.end(cancelled());
    await Promise.all([this.pool.close(), ...[...this.running].map((process) => process.gone())]);
    await Promise.all(this.unsettled);
  }
}
