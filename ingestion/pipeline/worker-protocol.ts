import { type ErrorKind, isLakeError, LakeError } from "#kernel";
import type { LandingCounts } from "#landing";
import type { IngestUnit, ScanSummary, UnitResult, UnitSettings } from "./settings.js";

/** What a scan worker is started with. */
export interface WorkerStart {
  readonly settings: UnitSettings;
  readonly lane: { readonly index: number; readonly count: number };
}

/** From the pool to a worker. `finish` comes when there is no unit left. */
export type ToWorker = { readonly do: "scan"; readonly unit: IngestUnit } | { readonly do: "finish" };

/** From a worker to the pool. `ready` asks for the next unit. */
export type FromWorker =
  | { readonly is: "ready" }
  | { readonly is: "progress"; readonly unit: number; readonly bytes: number; readonly counts: LandingCounts }
  | { readonly is: "done"; readonly result: UnitResult; readonly bytes: number }
  | { readonly is: "finished"; readonly summary: ScanSummary }
  | { readonly is: "failed"; readonly error: SentError };

/** A LakeError in a form that crosses threads. */
export interface SentError {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Packs an error for {@link receivedError}. */
export function sentError(error: unknown): SentError {
  if (isLakeError(error)) {
    const { kind, code, message, retryable, details } = error;
    return { kind, code, message, retryable, details };
  }
  const message = `A scan worker failed: ${error instanceof Error ? error.message : String(error)}.`;
  return { kind: "internal", code: "ingestion/worker-failed", message, retryable: false, details: {} };
}

/** The error that {@link sentError} packed. */
export function receivedError(sent: SentError): LakeError {
  const { retryable, details } = sent;
  return new LakeError(sent.kind, sent.code, sent.message, { retryable, details });
}
