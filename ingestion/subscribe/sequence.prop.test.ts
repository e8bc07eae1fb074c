import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hear, missing, restarted, type Sequence, settledUpTo } from "./sequence.js";

const NONE: Sequence | undefined = undefined;

function event(number: number, atMs = 0): Parameters<typeof hear>[1] {
  return { type: "event-notification", numbers: [number], eventsSinceStart: number, atMs };
}
const shake = { type: "handshake", numbers: [], eventsSinceStart: 0, atMs: 0 } as const;

describe("event numbers", () => {
  it("in any order, with repeats, end where all have arrived, and miss exactly what never came", () => {
    const scripts = fc
      .record({
        count: fc.integer({ min: 1, max: 40 }),
        lost: fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 10 }),
        seed: fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 80, maxLength: 80 }),
      })
      .map(({ count, lost, seed }) => {
        const arriving = Array.from({ length: count }, (_, i) => i + 1).filter((n) => !lost.includes(n));
        const order = arriving
          .flatMap((n, i) => (seed[i]! % 3 === 0 ? [n, n] : [n]))
          .map((n, i) => ({ n, at: seed[i % seed.length]! }))
          .sort((a, b) => a.at - b.at)
          .map(({ n }) => n);
        return { count, lost: new Set(lost.filter((n) => n <= count)), order };
      });
    fc.assert(
      fc.property(scripts, ({ count, lost, order }) => {
        let sequence = hear(NONE, shake);
        for (const number of order) sequence = hear(sequence, event(number));
        // A heartbeat tells what came last.
        sequence = hear(sequence, { ...shake, type: "heartbeat", eventsSinceStart: count });
        expect(sequence.lowerCounter).toBeUndefined();
        const found = new Set<number>();
        for (let gap = missing(sequence); gap !== undefined; gap = missing(sequence)) {
          for (let n = gap.from; n <= gap.to; n++) found.add(n);
          sequence = settledUpTo(sequence, gap.to, 0);
        }
        expect([...found].sort((a, b) => a - b)).toEqual([...lost].sort((a, b) => a - b));
        expect(sequence).toMatchObject({ contiguous: count, ahead: [], missingSinceMs: undefined });
      }),
      { seed: 20261121, numRuns: 500 },
    );
  });

  it("are missing since the first sign of it, until they arrive after all", () => {
    let sequence = hear(NONE, shake);
    sequence = hear(sequence, event(2, 1000));
    sequence = hear(sequence, event(3, 5000));
    expect(missing(sequence)).toEqual({ from: 1, to: 1 });
    expect(sequence.missingSinceMs).toBe(1000);
    sequence = hear(sequence, event(1, 6000));
    expect(missing(sequence)).toBeUndefined();
    expect(sequence.missingSinceMs).toBeUndefined();
  });

  it("that a heartbeat or $status counts lower are in doubt; late events are not", () => {
    let sequence = hear(NONE, { ...shake, eventsSinceStart: 9 });
    expect(hear(sequence, event(3)).lowerCounter).toBeUndefined();
    sequence = hear(sequence, { ...shake, type: "heartbeat", eventsSinceStart: 2 });
    expect(sequence.lowerCounter).toBe(2);
    expect(
      hear(sequence, { ...shake, type: "query-status", eventsSinceStart: 9 }).lowerCounter,
    ).toBeUndefined();
    expect(restarted(sequence, 2)).toMatchObject({ contiguous: 2, counter: 2, lowerCounter: undefined });
  });

  it("begin with what is heard first, because whoever begins to follow catches up", () => {
    expect(missing(hear(NONE, event(7)))).toBeUndefined();
    expect(missing(hear(NONE, { ...shake, eventsSinceStart: 7 }))).toBeUndefined();
  });

  it("that were asked for are no sign that the server sends by itself", () => {
    const asked = { type: "query-status", numbers: [], eventsSinceStart: 7, atMs: 9000 } as const;
    expect(hear(NONE, asked).heardMs).toBe(0);
    let sequence = hear(hear(NONE, event(1, 1000)), asked);
    expect(sequence.heardMs).toBe(1000);
    expect(missing(sequence)).toEqual({ from: 2, to: 7 });
    sequence = hear(sequence, { ...asked, type: "query-event", numbers: [2, 3, 4, 5, 6, 7], atMs: 9500 });
    expect(missing(sequence)).toBeUndefined();
    expect(sequence.heardMs).toBe(1000);
    expect(hear(sequence, { ...shake, type: "heartbeat", eventsSinceStart: 7, atMs: 9900 }).heardMs).toBe(
      9900,
    );
  });

  it("are taken from the counter where the server names no events", () => {
    let sequence = hear(NONE, shake);
    sequence = hear(sequence, { type: "event-notification", numbers: [], eventsSinceStart: 1, atMs: 0 });
    expect(missing(sequence)).toBeUndefined();
    sequence = hear(sequence, { type: "event-notification", numbers: [], eventsSinceStart: 3, atMs: 0 });
    expect(missing(sequence)).toEqual({ from: 2, to: 2 });
  });
});
