import { describe, expect, it } from "vitest";
import { CronTimes } from "./cron.js";

const at = (text: string): number => Date.parse(text);
const iso = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString();

describe("the times of a schedule", () => {
  const nightly = new CronTimes({ cron: "30 2 * * *", timeZone: "Europe/Berlin" });

  it("are read in its time zone", () => {
    expect(iso(nightly.next(at("2026-11-20T12:00:00Z")))).toBe("2026-11-21T01:30:00.000Z");
    expect(iso(nightly.latest(0, at("2026-07-20T12:00:00Z")))).toBe("2026-07-20T00:30:00.000Z");
  });

  it("do not count the end they start from", () => {
    const due = at("2026-11-20T01:30:00Z");
    expect(nightly.latest(due, due + 3_600_000)).toBeUndefined();
    expect(nightly.latest(due - 1, due)).toBe(due);
  });

  it("are kept on the night whose hour is skipped, right after the gap", () => {
    const found = nightly.latest(at("2026-03-28T12:00:00Z"), at("2026-03-29T12:00:00Z"));
    expect(iso(found)).toBe("2026-03-29T01:00:00.000Z");
  });

  it("come once in the night whose hour is repeated", () => {
    const second = at("2026-10-25T01:30:00Z");
    expect(iso(nightly.latest(at("2026-10-24T12:00:00Z"), at("2026-10-25T12:00:00Z")))).toBe(
      "2026-10-25T00:30:00.000Z",
    );
    expect(nightly.latest(second - 60_000, second)).toBeUndefined();
  });

  it("come every hour also in the repeated one when every hour is asked for", () => {
    const hourly = new CronTimes({ cron: "0 * * * *", timeZone: "Europe/Berlin" });
    for (const hour of ["00", "01", "02"]) {
      const due = at(`2026-10-25T${hour}:00:00Z`);
      expect(hourly.latest(due - 60_000, due)).toBe(due);
    }
  });

  it("are found quickly over weeks", () => {
    const weekly = new CronTimes({ cron: "0 4 * * 1", timeZone: "America/St_Johns" });
    const before = performance.now();
    expect(weekly.latest(0, at("2026-11-16T07:29:00Z"))).toBe(at("2026-11-09T07:30:00Z"));
    expect(performance.now() - before).toBeLessThan(2000);
  });
});
