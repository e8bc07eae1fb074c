import { Worker } from "node:worker_threads";
import { LakeError } from "#kernel";
import { aborted } from "../errors.js";
import type { ScanContext } from "./scan-in-process.js";
import type { IngestUnit, ScanSummary } from "./settings.js";
import { mayNeedMuchMemory, unitCost } from "./unit-plan.js";
import { type FromWorker, receivedError, type ToWorker, type WorkerStart } from "./worker-protocol.js";

const NURSERY_MB = 4;

/** False when the sources run as they are (in tests): a thread cannot be started from a .ts file. */
export const WORKERS_AVAILABLE = import.meta.url.endsWith(".js");

/**
 * Hands out units, biggest first, so that no thread is left alone with a big file at the end (positions in the order
 * key are fixed already). Units that may need much memory all go to the first thread: one at a time.
 */
class UnitQueue {
  private readonly heavy: IngestUnit[];
  private readonly light: IngestUnit[];

  constructor(units: readonly IngestUnit[]) {
    // Taken from the end: shifting the front of a list of 100,000 files would be slow.
    const sorted = [...units].sort((a, b) => unitCost(a) - unitCost(b) || b.ordinal - a.ordinal);
    this.heavy = sorted.filter(mayNeedMuchMemory);
    this.light = sorted.filter((unit) => !mayNeedMuchMemory(unit));
  }

  take(lane: number): IngestUnit | undefined {
    return (lane === 0 ? this.heavy.pop() : undefined) ?? this.light.pop();
  }
}

/**
 * Scans the units in `count` worker threads. When one fails, or the signal fires, all are stopped and the first error
 * is thrown; what they wrote is then incomplete.
 */
export async function scanInWorkers(
  units: readonly IngestUnit[],
  context: ScanContext,
  count: number,
): Promise<ScanSummary[]> {
  const queue = new UnitQueue(units);
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(aborted());
  context.signal?.addEventListener("abort", onAbort);
  try {
    if (context.signal?.aborted === true) throw aborted();
    const lanes = Array.from({ length: count }, (_, index) =>
      runWorker({ settings: context.settings, lane: { index, count } }, queue, context, stop),
    );
    // All threads must have ended before the caller may throw their files away.
    const ends = await Promise.allSettled(lanes);
    if (stop.signal.aborted) throw stop.signal.reason;
    return ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
  } finally {
    context.signal?.removeEventListener("abort", onAbort);
  }
}

function runWorker(
  start: WorkerStart,
  queue: UnitQueue,
  context: ScanContext,
  stop: AbortController,
): Promise<ScanSummary> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./scan-worker.js", import.meta.url), {
      workerData: start,
      // Options such as --eval or --input-type are meant for the main thread and would stop a worker.
      execArgv: [],
      // Garbage of the scan dies young; a small nursery keeps the memory of a thread small and costs no time.
      resourceLimits: { maxYoungGenerationSizeMb: NURSERY_MB },
    });
    const fail = (error: unknown): void => stop.abort(error);
    stop.signal.addEventListener("abort", () => {
      // Only a thread that has ended has let go of its files.
      void worker.terminate().then(() => reject(aborted()));
    });
    worker.on("message", (message: FromWorker) => {
      try {
        receive(message, { worker, queue, context, lane: start.lane.index }, resolve);
      } catch (error) {
        fail(error);
      }
    });
    worker.on("error", (cause) => fail(workerFailed(cause)));
    worker.on("exit", () => fail(workerFailed(undefined)));
  });
}

interface Lane {
  readonly worker: Worker;
  readonly queue: UnitQueue;
  readonly context: ScanContext;
  readonly lane: number;
}

function receive(message: FromWorker, at: Lane, resolve: (summary: ScanSummary) => void): void {
  const { worker, queue, context, lane } = at;
  switch (message.is) {
    case "ready": {
      const unit = queue.take(lane);
      worker.postMessage((unit === undefined ? { do: "finish" } : { do: "scan", unit }) satisfies ToWorker);
      return;
    }
    case "progress":
      context.tally.update(message.unit, message.bytes, message.counts);
      return;
    case "done":
      context.tally.finish(message.result, message.bytes);
      return;
    case "failed":
      throw receivedError(message.error);
    case "finished":
      worker.removeAllListeners("exit");
      resolve(message.summary);
  }
}

function workerFailed(cause: unknown): LakeError {
  const message = "A scan worker ended unexpectedly; nothing was committed, run the command again.";
  return new LakeError("internal", "ingestion/worker-failed", message, { cause, retryable: true });
}
