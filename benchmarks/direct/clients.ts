import { quantile } from "../live/http.js";

/** What so many clients experienced. */
export interface ClientTimes {
  readonly asks: number;
  readonly perSecond: number;
  /** Seconds. */
  readonly p50: number;
  readonly p99: number;
}

/**
 * So many clients that each ask again as soon as they have their answer, until a time is over; each finishes what it has begun. `request`
 * gets a number that counts all asks.
 */
export async function askFor(
  clients: number,
  seconds: number,
  request: (turn: number) => Promise<unknown>,
): Promise<ClientTimes> {
  const times: number[] = [];
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  let turn = 0;
  const client = async (): Promise<void> => {
    do {
      const before = performance.now();
      await request(turn++);
      times.push((performance.now() - before) / 1000);
    } while (elapsed() < seconds);
  };
  await Promise.all(Array.from({ length: clients }, client));
  return {
    asks: times.length,
    perSecond: times.length / elapsed(),
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
  };
}
