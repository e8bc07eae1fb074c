/** Lets so many requests per second through for each name, with bursts of as many; refuses the rest. */
export class RateLimit {
  private readonly perSecond: number;
  private readonly buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /** True when the request may go on. */
  take(name: string, nowMs: number): boolean {
    const bucket = this.buckets.get(name) ?? { tokens: this.perSecond, atMs: nowMs };
    const refilled = Math.max(0, nowMs - bucket.atMs) * (this.perSecond / 1000);
    bucket.tokens = Math.min(this.perSecond, bucket.tokens + refilled);
    bucket.atMs = nowMs;
    this.buckets.set(name, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
