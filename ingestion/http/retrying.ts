import { LakeError } from "#kernel";
import type { WaitingClock } from "./clock.js";
import { connectionError } from "./errors.js";
import type { Gate } from "./gate.js";
import { retryDelay } from "./retry.js";
import type { RequestEvent } from "./settings.js";

/** What all requests of a source share. */
export interface RetryContext {
  readonly clock: WaitingClock;
  readonly random: () => number;
  readonly maxWaitMs: number;
  readonly onRequest: ((event: RequestEvent) => void) | undefined;
  /** Counts tries: the first of a request, and those again. */
  readonly count: (attempt: number) => void;
}

/** One request with its tries. */
export interface Retrying<T> {
  readonly method: string;
  /** Named without ids and query. */
  readonly target: string;
  readonly maxAttempts: number;
  readonly signal: AbortSignal | undefined;
  /** Absent for requests that are part of another one, which would wait for itself. */
  readonly gate: Gate | undefined;
  /** One try; `seen` is told the status as soon as there is one. */
  readonly run: (seen: (status: number) => void) => Promise<T>;
}

/** Statuses by which a server asks all of a client's requests to wait, not only this one. */
const PAUSE_ALL: ReadonlySet<number> = new Set([429, 503]);

interface Attempt<T> {
  readonly value?: T;
  readonly error?: unknown;
  readonly status: number | undefined;
  readonly durationMs: number;
}

async function tryOnce<T>(context: RetryContext, request: Retrying<T>, attempt: number): Promise<Attempt<T>> {
  const { signal, gate } = request;
  const what = `${request.method} ${request.target}`;
  let leave: (() => void) | undefined;
  let status: number | undefined;
  let started = context.clock.now().getTime();
  const durationMs = (): number => Math.max(0, context.clock.now().getTime() - started);
  try {
    leave = await gate?.enter(signal);
    started = context.clock.now().getTime();
    context.count(attempt);
    const value = await request.run((seen) => {
      status = seen;
    });
    return { value, status, durationMs: durationMs() };
  } catch (error) {
    return { error: connectionError(error, what, signal), status, durationMs: durationMs() };
  } finally {
    leave?.();
  }
}

/** Runs a request until it succeeds, fails for good, or has been tried often enough; waits as the server asks. */
export async function withRetries<T>(context: RetryContext, request: Retrying<T>): Promise<T> {
  const { method, target, maxAttempts, signal } = request;
  for (let attempt = 1; ; attempt++) {
    const { value, error, status, durationMs } = await tryOnce(context, request, attempt);
    const event = { method, target, attempt, durationMs, ...(status === undefined ? {} : { status }) };
    if (error === undefined) {
      context.onRequest?.(event);
      return value as T;
    }
    // A full disk is no reason to ask the server again.
    const passing = error instanceof LakeError && error.retryable && error.code.startsWith("source/");
    const again = passing && attempt < maxAttempts;
    const delay = again && signal?.aborted !== true ? delayAfter(context, error, attempt) : undefined;
    context.onRequest?.({
      ...event,
      failure: failureName(error),
      ...(delay === undefined ? {} : { retryInMs: delay }),
    });
    if (delay === undefined) throw error;
    if (status !== undefined && PAUSE_ALL.has(status)) request.gate?.pause(delay);
    await context.clock.sleep(delay, signal).catch((reason: unknown) => {
      throw connectionError(reason, `${method} ${target}`, signal);
    });
  }
}

function delayAfter(context: RetryContext, error: LakeError, failures: number): number {
  const retryAfter = error.details["retryAfter"];
  return retryDelay({
    retryAfter: typeof retryAfter === "string" ? retryAfter : null,
    failures,
    now: context.clock.now(),
    maxWaitMs: context.maxWaitMs,
    random: context.random,
  });
}

function failureName(error: unknown): string {
  if (!(error instanceof LakeError)) return "internal";
  const { code } = error.details;
  return typeof code === "string" ? code : error.code;
}
