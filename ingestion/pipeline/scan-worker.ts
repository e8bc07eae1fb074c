// The entry of a scan worker thread: takes units from the pool until it is told to finish.
import { parentPort, workerData } from "node:worker_threads";
import { loadDefinitions } from "#fhir";
import { openUnit } from "./open-source.js";
import { UnitScanner } from "./unit-scanner.js";
import { type FromWorker, sentError, type ToWorker, type WorkerStart } from "./worker-protocol.js";

const PROGRESS_INTERVAL_MS = 100;

const port = parentPort!;
const { settings, lane } = workerData as WorkerStart;
const scanner = new UnitScanner(loadDefinitions(settings.fhirVersion), settings, lane);

function tell(message: FromWorker): void {
  port.postMessage(message);
}

function noStdin(): never {
  throw new Error("standard input is read on the main thread");
}

async function handle(message: ToWorker): Promise<void> {
  if (message.do === "finish") {
    tell({ is: "finished", summary: scanner.finish() });
    port.close();
    return;
  }
  const { unit } = message;
  const opened = await openUnit(unit, noStdin);
  let told = performance.now();
  const result = await scanner.scan(opened, (bytes, counts) => {
    const now = performance.now();
    if (now - told < PROGRESS_INTERVAL_MS) return;
    told = now;
    tell({ is: "progress", unit: unit.ordinal, bytes, counts });
  });
  tell({ is: "done", result, bytes: opened.source.consumedBytes });
  tell({ is: "ready" });
}

port.on("message", (message: ToWorker) => {
  handle(message).catch((error: unknown) => {
    tell({ is: "failed", error: sentError(error) });
    port.close();
  });
});
tell({ is: "ready" });
