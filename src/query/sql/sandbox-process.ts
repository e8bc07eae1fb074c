import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { setPriority } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { LakeError, packageRoot } from "#kernel";
import { crashed, tooBig, tooLong } from "./failure.js";
import { type Order, type Report, receivedError } from "./protocol.js";

/** What one statement may take before its process is ended. */
export interface StatementLimits {
  /** Resident memory of the process. */
  readonly rssBytes: number;
  /** Files that it writes: sorts beyond memory, Parquet answers. */
  readonly diskBytes: number;
  readonly deadlineMs: number;
}

const START_MS = 30_000;
const WATCH_MS = 25;
/** The disk is looked at once in so many looks at the memory. */
const DISK_EVERY = 10;
/** What leaks in an engine or in the runtime goes with its process. */
const MOST_STATEMENTS = 1000;
/** Behind everything that answers ordinary reads. */
const PRIORITY = 10;

/** The built program of the process: where sources run as they are (in tests), that of the last build. */
function program(): string {
  if (import.meta.url.endsWith(".js")) return fileURLToPath(new URL("./child/main.js", import.meta.url));
  return path.join(packageRoot(), "dist/src/query/sql/child/main.js");
}

/** Bytes of memory that a process holds now; 0 where that is not told (only Linux tells). */
function residentBytes(pid: number): number {
  try {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

async function folderBytes(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(path.join(folder, name)).then(
        (info) => (info.isFile() ? info.size : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** A report that is waited for, and what to do should none come any more. */
interface Waiting {
  readonly resolve: (report: Report) => void;
  readonly reject: (error: LakeError) => void;
}

/**
 * A process of the program in `child/`, seen from the server. It inherits no environment, holds no open file of the server but its two
 * pipes, and can be ended at any moment without the engine being asked.
 */
export class SandboxProcess {
  /** The one folder that it may write to, absolute; it goes with the process. */
  readonly home: string;
  /** The bytes of answers. */
  readonly bytes: Readable;
  /** True while an encoding is under way. */
  encoding = false;
  private readonly child: ChildProcess;
  private readonly reports: Report[] = [];
  private waiting: Waiting | undefined;
  private reason: LakeError | undefined;
  private readonly ended: Promise<void>;
  private readonly listeners = new Set<() => void>();
  private progress = 0;
  /** How many statements it was given data for. */
  private statements = 0;
  private audience: string | undefined;
  private retired = false;

  private constructor(child: ChildProcess, home: string) {
    this.child = child;
    this.home = home;
    this.bytes = child.stdio[3] as Readable;
    child.on("message", (report: Report) => this.receive(report));
    const exited = new Promise<void>((resolve) => {
      const over = (): void => {
        this.fail(crashed());
        resolve();
      };
      child.once("exit", over);
      child.once("error", over);
    });
    // What is left over goes with the folder around it.
    this.ended = exited.then(() => rm(home, { recursive: true, force: true })).catch(() => undefined);
    // Its end is told by `exit`.
    this.bytes.on("error", () => undefined);
    this.bytes.on("readable", () => this.notify());
  }

  /** A process with a folder of its own in `folder`. Fails with `query/sql-unavailable` when none can be started. */
  static async start(folder: string, memoryBytes: number): Promise<SandboxProcess> {
    const home = path.join(folder, `sql-${randomUUID()}`);
    await mkdir(home, { recursive: true, mode: 0o700 });
    const heap = `--max-old-space-size=${Math.ceil(memoryBytes / 2 ** 20)}`;
    const child = spawn(process.execPath, [heap, program()], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "ipc"],
      env: { TZ: "UTC" },
      cwd: path.parse(process.cwd()).root,
    });
    const started = new SandboxProcess(child, home);
    const late = setTimeout(() => started.end(), START_MS);
    try {
      await started.next();
      if (child.pid !== undefined) setPriority(child.pid, PRIORITY);
      return started;
    } catch (error) {
      throw new LakeError(
        "unavailable",
        "query/sql-unavailable",
        "No process for SQL could be started; the server may be short of memory.",
        { cause: error, retryable: true },
      );
    } finally {
      clearTimeout(late);
    }
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Why it is gone; undefined while it runs. */
  get failure(): LakeError | undefined {
    return this.reason;
  }

  /** Rows of the encoding under way that were encoded so far. */
  get rows(): number {
    return this.progress;
  }

  /** True as long as it has held nobody's data. */
  get isFresh(): boolean {
    return this.statements === 0;
  }

  /** Makes an empty folder for a statement, in that of the process. */
  async newFolder(): Promise<string> {
    const folder = path.join(this.home, randomUUID());
    await mkdir(folder, { mode: 0o700 });
    return folder;
  }

  /** Notes that it holds data of an audience from now on; without one, no other statement may follow. */
  admit(audience: string | undefined): void {
    this.statements++;
    this.audience = audience;
  }

  /** From now on no other statement may run here. */
  retire(): void {
    this.retired = true;
  }

  /** Whether a statement of an audience may run here. */
  takes(audience: string | undefined): boolean {
    if (this.reason !== undefined || this.retired) return false;
    if (this.isFresh) return true;
    return audience !== undefined && audience === this.audience && this.statements < MOST_STATEMENTS;
  }

  /** Memory that it holds now; 0 where that is not told (only Linux tells). */
  residentBytes(): number {
    return this.pid === undefined ? 0 : residentBytes(this.pid);
  }

  private receive(report: Report): void {
    if (report.type === "progress" || report.type === "encoded") this.progress = report.rows;
    if (report.type === "encoding") this.progress = 0;
    if (report.type === "progress") return;
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting === undefined) this.reports.push(report);
    else waiting.resolve(report);
    this.notify();
  }

  private fail(reason: LakeError): void {
    this.reason ??= reason;
    this.waiting?.reject(this.reason);
    this.waiting = undefined;
    this.notify();
  }

  private notify(): void {
    for (const listener of this.listeners) listener();
  }

  /** Resolves at the next report, byte or end. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      const listener = (): void => {
        this.listeners.delete(listener);
        resolve();
      };
      this.listeners.add(listener);
    });
  }

  /** A report that has come and was not taken; undefined while there is none. */
  take(): Report | undefined {
    return this.reports.shift();
  }

  private next(): Promise<Report> {
    const report = this.reports.shift();
    if (report !== undefined) return Promise.resolve(report);
    if (this.reason !== undefined) return Promise.reject(this.reason);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  send(order: Order): void {
    if (this.reason !== undefined) throw this.reason;
    this.child.send(order, () => undefined);
  }

  /** Sends an order and answers with its first report. Fails as the order does, or with the reason why the process was ended. */
  async ask<T extends Report["type"]>(order: Order, type: T): Promise<Extract<Report, { type: T }>> {
    this.send(order);
    const report = await this.next();
    if (report.type === "failed") throw receivedError(report.error);
    if (report.type !== type)
      throw new LakeError("internal", "query/sql-order", "An unexpected report came.");
    return report as Extract<Report, { type: T }>;
  }

  /** Ends the process at once. Whoever waits for it gets the reason. */
  end(reason: LakeError = crashed()): void {
    this.fail(reason);
    // Whoever waits until it is gone must not find that nothing is left to wait for.
    this.child.ref();
    this.child.kill("SIGKILL");
    if (this.child.connected) this.child.disconnect();
    this.bytes.destroy();
  }

  /** Whether this program goes on for as long as the process does. */
  hold(held: boolean): void {
    const socket = this.bytes as Readable & { ref?(): void; unref?(): void };
    for (const one of [this.child, this.child.channel, socket]) {
      if (held) one?.ref?.();
      else one?.unref?.();
    }
  }

  /** Resolves when the process is gone, and its folder. */
  async gone(): Promise<void> {
    await this.ended;
  }

  /** Ends the process should it go beyond the limits. Call the answer when the statement is over. */
  watch(limits: StatementLimits): () => void {
    let looks = 0;
    let looking = false;
    const look = async (): Promise<void> => {
      looking = true;
      if ((await folderBytes(this.home)) > limits.diskBytes) this.end(tooBig("disk"));
      looking = false;
    };
    const timer = setInterval(() => {
      if (this.residentBytes() > limits.rssBytes) this.end(tooBig("memory"));
      if (++looks % DISK_EVERY === 0 && !looking) void look();
    }, WATCH_MS);
    const deadline = setTimeout(() => this.end(tooLong(limits.deadlineMs)), limits.deadlineMs);
    return () => {
      clearInterval(timer);
      clearTimeout(deadline);
    };
  }
}
