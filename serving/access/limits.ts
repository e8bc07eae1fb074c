import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import type { Caller } from "./caller.js";
import type { Permission } from "./permission.js";
import { tooMany } from "./refusals.js";

/** What one caller may use of this process. */
export interface LimitSettings {
  readonly requestsPerMinute: number;
  /** Answers with rows or counts that are under way at one time, their sending included. */
  readonly concurrentQueries: number;
  /** Seconds of such answers in an hour, from the question to the last byte. */
  readonly querySecondsPerHour: number;
}

/** Enough for notebooks and dashboards, too little to starve others. */
export const defaultLimits: LimitSettings = {
  requestsPerMinute: 1200,
  concurrentQueries: 16,
  querySecondsPerHour: 7200,
};

const querying: ReadonlySet<Permission> = new Set(["views.read", "cohorts.read", "sql.run"]);
const HOUR_SECONDS = 3600;

/** Ends what a caller was let in for. `tookMs` is how long it took. */
export type Admission = (tookMs: number) => void;

const free: Admission = () => undefined;

/** Keeps callers from taking more than their share. Callers are told apart by their ids; those on this machine are not limited. */
export class CallerLimits {
  private readonly settings: LimitSettings;
  private readonly requests: RateLimiterMemory;
  private readonly seconds: RateLimiterMemory;
  private readonly running = new Map<string, number>();

  constructor(settings: LimitSettings = defaultLimits) {
    this.settings = settings;
    this.requests = new RateLimiterMemory({ points: settings.requestsPerMinute, duration: 60 });
    this.seconds = new RateLimiterMemory({ points: settings.querySecondsPerHour, duration: HOUR_SECONDS });
  }

  /** Lets a request in. Fails with `serving/too-many-requests`, which says when to come again. */
  async admit({ id, kind }: Caller, permission: Permission): Promise<Admission> {
    if (kind === "local" || kind === "nobody") return free;
    const { requestsPerMinute, concurrentQueries, querySecondsPerHour } = this.settings;
    try {
      await this.requests.consume(id);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      throw tooMany(`More than ${requestsPerMinute} requests in a minute.`, error.msBeforeNext / 1000);
    }
    if (!querying.has(permission)) return free;
    const used = await this.seconds.get(id);
    if (used !== null && used.consumedPoints >= querySecondsPerHour) {
      throw tooMany(
        `More than ${querySecondsPerHour} seconds of queries in an hour.`,
        used.msBeforeNext / 1000,
      );
    }
    const running = this.running.get(id) ?? 0;
    if (running >= concurrentQueries) {
      throw tooMany(`More than ${concurrentQueries} queries at one time; wait for one to end.`, 1);
    }
    this.running.set(id, running + 1);
    return this.once(id);
  }

  private once(id: string): Admission {
    let open = true;
    return (tookMs) => {
      if (!open) return;
      open = false;
      const left = (this.running.get(id) ?? 1) - 1;
      if (left > 0) this.running.set(id, left);
      else this.running.delete(id);
      const points = Math.round(tookMs / 1000);
      // The answer is out by now: what went over counts against the next one.
      if (points > 0) void this.seconds.penalty(id, points).catch(() => undefined);
    };
  }
}
