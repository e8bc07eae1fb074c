import { randomBytes } from "node:crypto";

/** A new run id: the time of its start to the millisecond (UTC), then chance; ids sort like their times. */
export function newRunId(now: Date): string {
  const time = now.toISOString().replace(/[-:.]/g, "").replace("T", "-").slice(0, -1);
  return `${time}-${randomBytes(3).toString("hex")}`;
}

/** True for what {@link newRunId} makes. */
export function isRunId(text: string): boolean {
  return /^\d{8}-\d{9}-[0-9a-f]{6}$/.test(text);
}

/** The time of a run's start, in milliseconds since the epoch. */
export function runIdTime(id: string): number {
  const [, y, mo, d, h, mi, s, ms] = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)(\d{3})/.exec(id) ?? [];
  return Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s), Number(ms));
}
