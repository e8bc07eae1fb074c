import { type FSWatcher, watch } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { type ErrorKind, isLakeError, LakeError } from "#kernel";
import { journalUnavailable } from "../errors.js";
import type { EventFilter, StoredEvent } from "../event.js";
import type { AppendOutcome, EventLog, PreparedRequest, StreamState } from "../event-log.js";
import type { OpenableEvent, SealedEvent } from "../sealed-event.js";
import type { JournalMethod, JournalReply, SentError } from "./journal-call.js";
import { SqliteJournal } from "./sqlite-journal.js";

/** False when the sources run as they are (in tests): a thread cannot be started from a .ts file. */
const THREAD_AVAILABLE = import.meta.url.endsWith(".js");

type Result<M extends JournalMethod> = ReturnType<SqliteJournal[M]>;

/** Something that runs a journal's methods one after the other. */
interface Runner {
  run<M extends JournalMethod>(method: M, ...args: Parameters<SqliteJournal[M]>): Promise<Result<M>>;
  close(): Promise<void>;
}

function received({ message, lake }: SentError): Error {
  if (lake === undefined) return new Error(message);
  return new LakeError(lake.kind as ErrorKind, lake.code, message, { details: lake.details });
}

/** Runs the journal in a thread. When the thread dies, everything under way and everything later fails. */
class ThreadRunner implements Runner {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  private next = 1;
  private dead: Error | undefined;

  private constructor(worker: Worker) {
    this.worker = worker;
    worker.on("message", (reply: JournalReply) => this.settle(reply));
    worker.on("error", (error) => this.die(error));
    worker.on("exit", () => this.die(new Error("the journal's thread has ended")));
  }

  static async start(file: string): Promise<ThreadRunner> {
    const worker = new Worker(new URL("./journal-worker.js", import.meta.url), {
      workerData: { file },
      execArgv: [],
    });
    const runner = new ThreadRunner(worker);
    await new Promise<never>((resolve, reject) => runner.waiting.set(0, { resolve, reject }));
    return runner;
  }

  private settle(reply: JournalReply): void {
    const waiting = this.waiting.get(reply.call);
    this.waiting.delete(reply.call);
    if ("error" in reply) waiting?.reject(received(reply.error));
    else waiting?.resolve(reply.value as never);
  }

  private die(error: Error): void {
    this.dead ??= error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  private ask(method: string, args: readonly unknown[]): Promise<never> {
    if (this.dead !== undefined) return Promise.reject(this.dead);
    const call = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(call, { resolve, reject });
      this.worker.postMessage({ call, method, args });
    });
  }

  run<M extends JournalMethod>(method: M, ...args: Parameters<SqliteJournal[M]>): Promise<Result<M>> {
    return this.ask(method, args);
  }

  async close(): Promise<void> {
    if (this.dead === undefined) await this.ask("close", []);
    await this.worker.terminate();
  }
}

/** Runs the journal on the caller's thread. */
class InlineRunner implements Runner {
  private readonly journal: SqliteJournal;

  constructor(file: string) {
    this.journal = new SqliteJournal(file);
  }

  async run<M extends JournalMethod>(method: M, ...args: Parameters<SqliteJournal[M]>): Promise<Result<M>> {
    const run = this.journal[method] as (...values: unknown[]) => Result<M>;
    return run.apply(this.journal, args);
  }

  async close(): Promise<void> {
    this.journal.close();
  }
}

/** The journal as a SQLite file of its own: the default of a lake on one machine. */
export class SqliteLog implements EventLog {
  readonly location: string;
  private readonly runner: Runner;
  private watcher: FSWatcher | undefined;

  private constructor(location: string, runner: Runner) {
    this.location = location;
    this.runner = runner;
  }

  /**
   * Opens or creates the journal; its folder is made. With `thread` false its work blocks the caller's thread.
   * Errors: `events/newer-journal`, `events/unavailable`.
   */
  static async open(file: string, thread = true): Promise<SqliteLog> {
    const location = path.resolve(file);
    try {
      await mkdir(path.dirname(location), { recursive: true });
      return new SqliteLog(
        location,
        thread && THREAD_AVAILABLE ? await ThreadRunner.start(location) : new InlineRunner(location),
      );
    } catch (error) {
      throw isLakeError(error) ? error : journalUnavailable("be opened", error);
    }
  }

  private async run<M extends JournalMethod>(
    action: string,
    method: M,
    ...args: Parameters<SqliteJournal[M]>
  ): Promise<Result<M>> {
    try {
      return await this.runner.run(method, ...args);
    } catch (error) {
      throw isLakeError(error) ? error : journalUnavailable(action, error);
    }
  }

  appendGroup(requests: readonly PreparedRequest[]): Promise<AppendOutcome[]> {
    return this.run("be written", "appendGroup", requests);
  }

  readAll(after: number, limit: number, filter: EventFilter): Promise<StoredEvent[]> {
    return this.run("be read", "readAll", after, limit, filter);
  }

  readSealed(after: number, limit: number, filter: EventFilter): Promise<SealedEvent[]> {
    return this.run("be read", "readSealed", after, limit, filter);
  }

  lookUp(positions: readonly number[]): Promise<OpenableEvent[]> {
    return this.run("be read", "lookUp", positions);
  }

  readStream(stream: string, fromVersion: number, limit: number): Promise<StoredEvent[]> {
    return this.run("be read", "readStream", stream, fromVersion, limit);
  }

  streamVersion(stream: string): Promise<number> {
    return this.run("be read", "streamVersion", stream);
  }

  streams(prefix: string): Promise<StreamState[]> {
    return this.run("be read", "streams", prefix);
  }

  head(): Promise<number> {
    return this.run("be read", "head");
  }

  checkpoint(name: string): Promise<number> {
    return this.run("be read", "checkpoint", name);
  }

  saveCheckpoint(name: string, position: number): Promise<void> {
    return this.run("be written", "saveCheckpoint", name, position);
  }

  trimSome(streamPrefix: string, upTo: number, limit: number): Promise<number> {
    return this.run("be trimmed", "trimSome", streamPrefix, upTo, limit);
  }

  trimmedTo(streamPrefix: string): Promise<number> {
    return this.run("be read", "trimmedTo", streamPrefix);
  }

  shred(subjects: readonly string[]): Promise<number> {
    return this.run("destroy keys", "shred", subjects);
  }

  copyTo(file: string): Promise<string> {
    return this.run("be copied", "copyTo", file);
  }

  /** Commits of any process touch the write-ahead log; where watching files does not work, readers poll alone. */
  onHint(listener: () => void): () => void {
    try {
      this.watcher ??= watch(path.dirname(this.location), { persistent: false });
    } catch {
      return () => undefined;
    }
    const watcher = this.watcher;
    const wal = `${path.basename(this.location)}-wal`;
    const onChange = (_: string, name: string | null): void => {
      if (name === wal) listener();
    };
    watcher.on("change", onChange);
    watcher.on("error", () => undefined);
    return () => watcher.off("change", onChange);
  }

  async close(): Promise<void> {
    this.watcher?.close();
    await this.runner.close();
  }
}
