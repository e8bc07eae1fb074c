import { describe, expect, it } from "vitest";
import { isRetryable, parseRetryAfter, retryDelay } from "./retry.js";

const now = new Date("2026-11-21T04:00:00.000Z");

describe("Retry-After", () => {
  it.each([
    ["7", 7000],
    [" 7 ", 7000],
    ["0", 0],
    ["1.5", 1500],
    ["Sat, 21 Nov 2026 04:02:00 GMT", 120_000],
    [String(now.getTime() / 1000 + 30), 30_000],
    [String(now.getTime() + 45_000), 45_000],
    ["86400", 86_400_000],
  ])("'%s' asks for %i ms", (value, expected) => {
    expect(parseRetryAfter(value, now)).toBe(expected);
  });

  it.each([
    null,
    "",
    "soon",
    "-5",
    "86401",
    "999999999",
    "Fri, 20 Nov 2026 04:00:00 GMT",
    "Mon, 23 Nov 2026 04:00:00 GMT",
    String(now.getTime() - 1000),
    "1e5",
    "9999999999999999999999",
    "NaN",
  ])("'%s' says nothing", (value) => {
    expect(parseRetryAfter(value, now)).toBeUndefined();
  });

  it("is obeyed to the millisecond between one second and the longest wait", () => {
    const delay = (retryAfter: string): number =>
      retryDelay({ retryAfter, failures: 3, now, maxWaitMs: 300_000, random: () => 0.9 });
    expect(delay("17")).toBe(17_000);
    expect(delay("0")).toBe(1000);
    expect(delay("18000")).toBe(300_000);
  });

  it("makes way for doubling waits with jitter when it is missing or silly", () => {
    const delays = (random: number): number[] =>
      [1, 2, 3, 4, 30].map((failures) =>
        retryDelay({ retryAfter: "never", failures, now, maxWaitMs: 300_000, random: () => random }),
      );
    expect(delays(0)).toEqual([1000, 2000, 4000, 8000, 300_000]);
    expect(delays(0.999)[1]).toBeGreaterThan(2900);
    expect(delays(0.999).every((ms) => ms <= 300_000)).toBe(true);
  });
});

describe("statuses", () => {
  it("may pass: 408, 425, 429 and 5xx but 501", () => {
    const passing = Array.from({ length: 200 }, (_, i) => 400 + i).filter(isRetryable);
    expect(passing.filter((status) => status < 500)).toEqual([408, 425, 429]);
    expect(passing).not.toContain(501);
    expect(passing).toContain(500);
    expect(passing).toContain(504);
  });
});
