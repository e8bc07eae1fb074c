import fc from "fast-check";
import { expect, it } from "vitest";
import { UncoveredTimes } from "./uncovered-times.js";

const change = fc.record({
  source: fc.constantFrom("a", "b"),
  afterMs: fc.integer({ min: 0, max: 1500 }),
  cover: fc.option(fc.integer({ min: 0, max: 5 }), { freq: 3 }),
});

it("tells the oldest uncovered change to the second and never later than it was", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const times = new UncoveredTimes();
      const all: { source: string; position: number; at: number }[] = [];
      const covered = new Map<string, number>();
      let now = 1_000_000;
      for (const [index, { source, afterMs, cover }] of changes.entries()) {
        now += afterMs;
        all.push({ source, position: index + 1, at: now });
        times.add(source, index + 1, now);
        if (cover !== null) {
          covered.set(source, Math.max(covered.get(source) ?? 0, index + 1 - cover));
          times.drop((name) => covered.get(name) ?? 0);
        }
        const open = all.filter((one) => one.position > (covered.get(one.source) ?? 0));
        const oldest = times.oldest();
        if (open.length === 0) expect(oldest).toBeUndefined();
        else {
          const truth = Math.min(...open.map((one) => one.at));
          expect(oldest).toBeLessThanOrEqual(truth);
          expect(oldest).toBeGreaterThan(truth - 1000);
        }
      }
    }),
    { seed: 5, numRuns: 500 },
  );
});
