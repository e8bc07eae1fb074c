import { describe, expect, it } from "vitest";
import type { SourceState } from "#lake";
import type { ReadState } from "./catalog.js";
import { type FreshnessContext, freshnessOf } from "./freshness.js";

const NOW = new Date("2026-03-01T12:00:00.000Z");
const ago = (seconds: number): string => new Date(NOW.getTime() - seconds * 1000).toISOString();
const source = (state: Partial<SourceState> = {}): SourceState => ({ policy: "time", ...state });
const base: ReadState = {
  id: 7,
  committedAt: "2026-03-01T11:00:00.000Z",
  epoch: 42,
  live: { currentAt: NOW.getTime() - 2_900, degraded: undefined },
  sources: { main: source({ watermarks: { Patient: ago(50), Observation: ago(90) } }) },
};
const at = (state: Partial<ReadState> = {}, context: Partial<FreshnessContext> = {}) =>
  freshnessOf({ ...base, ...state }, { now: NOW, ...context });

describe("the freshness of an answer", () => {
  it("names snapshot, epoch and lag, and each source by the type that is furthest behind", () => {
    expect(at()).toMatchObject({
      snapshot: 7,
      asOf: "2026-03-01T11:00:00.000Z",
      epoch: 42,
      lagSeconds: 2,
      state: "ok",
      reasons: [],
      deletesVerified: true,
      sources: [{ name: "main", state: "batch", upTo: ago(90), ageSeconds: 90, stale: null }],
    });
  });

  it("is stale as soon as one source is older than its target, and where nothing is known of it", () => {
    const targets = (ms: number) => at({}, { stalenessTargets: { main: ms } });
    expect(targets(90_000)).toMatchObject({ state: "ok", sources: [{ stale: false, state: "batch" }] });
    expect(targets(89_999)).toMatchObject({
      state: "stale",
      reasons: ["main is older than its target"],
      sources: [{ stale: true, state: "stale", targetSeconds: 89 }],
    });
    const unknown = at({ sources: { main: source() } }, { stalenessTargets: { main: 1e9 } });
    expect(unknown).toMatchObject({ state: "stale", sources: [{ ageSeconds: null, stale: true }] });
  });

  it("counts a source as current while it sends every change, and as incomplete while it does not", () => {
    const notified = (state: "live" | "catching-up" | "gap" | "error" | "off") =>
      at(
        {},
        {
          stalenessTargets: { main: 10_000 },
          liveStates: [{ source: "main", state, since: ago(5), reason: "two events are missing" }],
        },
      );
    expect(notified("live")).toMatchObject({ state: "ok", sources: [{ state: "live", ageSeconds: 0 }] });
    for (const state of ["catching-up", "gap", "error"] as const) {
      expect(notified(state)).toMatchObject({
        state: "incomplete",
        reasons: ["main: two events are missing"],
        sources: [{ state, ageSeconds: 90 }],
      });
    }
    expect(notified("off")).toMatchObject({ state: "stale" });
  });

  it("puts what cannot be followed above all else, with its reason first", () => {
    const answer = at(
      { live: { currentAt: NOW.getTime() - 60_000, degraded: "the journal cannot be followed" } },
      {
        liveStates: [{ source: "lab", state: "gap", since: ago(1), reason: null }],
        stalenessTargets: { main: 1 },
      },
    );
    expect(answer).toMatchObject({
      state: "degraded",
      lagSeconds: 60,
      reasons: ["the journal cannot be followed", "lab: gap", "main is older than its target"],
    });
    expect(answer.sources.map(({ name }) => name)).toEqual(["lab", "main"]);
  });

  it("says no lag of a snapshot that was asked for by number, nor where no journal is followed", () => {
    expect(at({ pinned: true })).toMatchObject({ state: "pinned", lagSeconds: null, reasons: [] });
    const { live: _live, epoch: _epoch, ...alone } = base;
    expect(freshnessOf(alone, { now: NOW })).toMatchObject({ state: "ok", lagSeconds: null, epoch: null });
  });

  it("never shows a negative age when clocks disagree", () => {
    const ahead = at({
      live: { currentAt: NOW.getTime() + 5_000, degraded: undefined },
      sources: { main: source({ watermarks: { Patient: ago(-30) } }) },
    });
    expect(ahead).toMatchObject({ lagSeconds: 0, sources: [{ ageSeconds: 0 }] });
  });

  it("passes on that deletes are not verified, of the whole and of the source", () => {
    const answer = at({ deletesVerified: false, sources: { main: source({ deletesVerified: false }) } });
    expect(answer).toMatchObject({ deletesVerified: false, sources: [{ deletesVerified: false }] });
  });
});
