import { createTask, parse, type ScheduledTask, validateDetailed } from "node-cron";

const MINUTE = 60_000;
/** Offsets of time zones change on quarters of an hour. */
const QUARTER = 15 * MINUTE;
/** How far back a missed time is looked for. */
const MOST_LOOK_BACK = 35 * 24 * 60 * MINUTE;

/** When something is to happen: a cron expression of five fields read in a time zone. */
export interface CronSchedule {
  readonly cron: string;
  /** IANA name such as `Europe/Berlin`. */
  readonly timeZone: string;
}

/** What is wrong with an expression, or undefined. */
export function cronProblem(expression: string): string | undefined {
  if (expression.trim().split(/\s+/).length !== 5)
    return "has not five fields (minute hour day-of-month month day-of-week)";
  const { valid, errors } = validateDetailed(expression);
  return valid
    ? undefined
    : `is not a cron expression (${errors.map((e) => e.field).join(", ") || "syntax"})`;
}

/** True for a time zone that this machine knows. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * The times of a schedule. A time that the clocks skip in spring counts at the first minute after the gap; a time that happens twice
 * in autumn counts once, unless the expression names every hour.
 */
export class CronTimes {
  private readonly task: ScheduledTask;
  private readonly everyHour: boolean;
  private readonly format: Intl.DateTimeFormat;
  private readonly offsets = new Map<number, number>();

  constructor(schedule: CronSchedule) {
    // Read in UTC and asked about wall clock times, so that gaps and repetitions are decided here.
    this.task = createTask(schedule.cron, () => undefined, { timezone: "Etc/UTC" });
    this.everyHour = parse(schedule.cron).hour.length === 24;
    this.format = new Intl.DateTimeFormat("en-US", {
      timeZone: schedule.timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  }

  /** The latest time in `(after, until]`, both in milliseconds since the epoch; looks back at most 35 days. */
  latest(afterMs: number, untilMs: number): number | undefined {
    const first = Math.max(afterMs, untilMs - MOST_LOOK_BACK);
    for (let t = floor(untilMs, MINUTE); t > first; t -= MINUTE) if (this.isDue(t)) return t;
    return undefined;
  }

  /** The first time after `afterMs` within 35 days. */
  next(afterMs: number): number | undefined {
    const last = afterMs + MOST_LOOK_BACK;
    for (let t = floor(afterMs, MINUTE) + MINUTE; t <= last; t += MINUTE) if (this.isDue(t)) return t;
    return undefined;
  }

  /** Whether the minute that begins at `t` is one of the schedule's. */
  private isDue(t: number): boolean {
    const wall = t + this.offset(t);
    const before = t - MINUTE + this.offset(t - MINUTE);
    for (let skipped = before + MINUTE; skipped < wall; skipped += MINUTE) {
      if (this.task.match(new Date(skipped))) return true;
    }
    if (!this.task.match(new Date(wall))) return false;
    return this.everyHour || !this.isRepeated(t, wall);
  }

  /** Whether the wall clock showed the same minute before, in the hours before clocks were set back. */
  private isRepeated(t: number, wall: number): boolean {
    for (let back = QUARTER; back <= 12 * QUARTER; back += QUARTER) {
      if (t - back + this.offset(t - back) >= wall) return true;
    }
    return false;
  }

  /** Wall clock minus UTC, in milliseconds. */
  private offset(t: number): number {
    const quarter = floor(t, QUARTER);
    const known = this.offsets.get(quarter);
    if (known !== undefined) return known;
    const part = new Map(this.format.formatToParts(quarter).map(({ type, value }) => [type, Number(value)]));
    const wall = Date.UTC(
      part.get("year")!,
      part.get("month")! - 1,
      part.get("day"),
      part.get("hour"),
      part.get("minute"),
      part.get("second"),
    );
    if (this.offsets.size > 10_000) this.offsets.clear();
    this.offsets.set(quarter, wall - quarter);
    return wall - quarter;
  }
}

function floor(t: number, unit: number): number {
  return Math.floor(t / unit) * unit;
}
