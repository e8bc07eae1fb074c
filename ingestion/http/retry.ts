const SECOND = 1000;
const DAY = 86_400 * SECOND;
/** Numbers from here on cannot be a number of seconds to wait: they are taken for a time since 1970. */
const EPOCH_SECONDS = 1e9;
const EPOCH_MILLISECONDS = 1e12;

/** Least wait before a retry, so that a server's `Retry-After: 0` cannot make a client spin. */
export const MIN_WAIT_MS = SECOND;

/**
 * The wait in milliseconds that a `Retry-After` asks for: seconds, an HTTP date, and also the epoch seconds and epoch
 * milliseconds that servers have been seen to send. Undefined when there is none, or it is no time, or it is past or
 * more than a day off, which no server means.
 */
export function parseRetryAfter(value: string | null, now: Date): number | undefined {
  const text = value?.trim() ?? "";
  if (text === "") return undefined;
  const wait = /^\d+(\.\d+)?$/.test(text) ? numericWait(Number(text), now) : Date.parse(text) - now.getTime();
  return wait >= 0 && wait <= DAY ? Math.ceil(wait) : undefined;
}

function numericWait(value: number, now: Date): number {
  if (value >= EPOCH_MILLISECONDS) return value - now.getTime();
  if (value >= EPOCH_SECONDS) return value * SECOND - now.getTime();
  return value * SECOND;
}

/** What {@link retryDelay} depends on. */
export interface RetryDelay {
  /** The header, or null. */
  readonly retryAfter: string | null;
  /** Failures so far, from 1. */
  readonly failures: number;
  readonly now: Date;
  readonly maxWaitMs: number;
  readonly random: () => number;
}

/**
 * How long to wait before trying again, in milliseconds. What the server asks for is obeyed to the millisecond, within
 * one second and `maxWaitMs`; without it the wait doubles with each failure, from one second, plus up to half of it.
 */
export function retryDelay(delay: RetryDelay): number {
  const asked = parseRetryAfter(delay.retryAfter, delay.now);
  const most = Math.max(MIN_WAIT_MS, delay.maxWaitMs);
  if (asked !== undefined) return Math.min(most, Math.max(MIN_WAIT_MS, asked));
  const doubled = MIN_WAIT_MS * 2 ** Math.min(20, delay.failures - 1);
  return Math.min(most, Math.round(doubled * (1 + delay.random() / 2)));
}

/** Statuses after which the same request may succeed. */
export function isRetryable(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501);
}
