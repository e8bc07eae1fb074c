import { type Clock, systemClock } from "#kernel";

/** A clock that can also wait, so that tests of waiting take no time. */
export interface WaitingClock extends Clock {
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay that Node's timers take; longer waits are cut into pieces. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** The machine's clock and timers. */
export const systemWaitingClock: WaitingClock = {
  now: () => systemClock.now(),
  async sleep(ms, signal) {
    for (let left = ms; left > 0; left -= LONGEST_TIMER_MS) {
      signal?.throwIfAborted();
      await pause(Math.min(left, LONGEST_TIMER_MS), signal);
    }
  },
};
