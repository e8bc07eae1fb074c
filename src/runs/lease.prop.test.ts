import fc from "fast-check";
import { expect, it } from "vitest";
import { isLakeError } from "#kernel";
import { HandClock, MemoryStore } from "../../test/support/memory-store.js";
import { Lease, type LeaseTimes } from "./lease.js";

const TIMES: LeaseTimes = { ttlMs: 1000, skewMs: 200 };
const step = fc.oneof(
  fc.constant("take" as const),
  fc.constant("renew" as const),
  fc.constant("release" as const),
  fc.integer({ min: 1, max: 900 }),
);

it("is never held by two processes, whatever the order of their steps and within the allowed skew of their clocks", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          skew: fc.integer({ min: 0, max: TIMES.skewMs }),
          steps: fc.array(step, { maxLength: 14 }),
        }),
        {
          minLength: 2,
          maxLength: 4,
        },
      ),
      fc.scheduler(),
      async (processes, scheduler) => {
        const time = { ms: 1_000_000 };
        const store = new MemoryStore((what) => scheduler.schedule(Promise.resolve(), what));
        const held: (Lease | undefined)[] = processes.map(() => undefined);
        const fences: number[] = [];
        const check = (): void => {
          expect(held.filter((lease) => lease?.isHeld === true).length).toBeLessThanOrEqual(1);
        };
        const run = async (index: number): Promise<void> => {
          const { skew, steps } = processes[index]!;
          const clock = { now: () => new Date(time.ms + skew) };
          const context = {
            store,
            clock,
            times: TIMES,
            hasEnded: () => false,
            process: { host: "h", pid: index, space: "", began: "" },
          };
          for (const action of steps) {
            if (typeof action === "number") {
              await scheduler.schedule(Promise.resolve(), "time passes");
              time.ms += action;
            } else {
              try {
                if (action === "take" && held[index]?.isHeld !== true) {
                  held[index] = await Lease.take(context, "source-a", `run ${index}`);
                  fences.push(held[index].fence);
                } else if (action === "renew") await held[index]?.renew();
                else if (action === "release") await held[index]?.release();
              } catch (error) {
                if (!isLakeError(error, "runs/lease-held") && !isLakeError(error, "runs/lease-lost"))
                  throw error;
              }
            }
            check();
          }
        };
        const all = Promise.all(processes.map((_, index) => run(index)));
        await scheduler.waitFor(all);
        expect(new Set(fences).size).toBe(fences.length);
        // Fences were noted when the taker heard of its success, so each process saw its own grow.
        expect(fences.every((fence) => fence > 0)).toBe(true);
      },
    ),
    { seed: 20261121, numRuns: 400 },
  );
});

it("takes numbers that only grow, with more renewals than objects are kept", async () => {
  const store = new MemoryStore();
  const clock = new HandClock();
  const context = { store, clock, times: TIMES, hasEnded: () => false };
  let last = 0;
  for (let round = 0; round < 4; round++) {
    const lease = await Lease.take(context, "source-a", "x");
    expect(lease.fence).toBeGreaterThan(last);
    last = lease.fence;
    for (let i = 0; i < 30; i++) await lease.renew();
    await lease.release();
  }
  expect(store.objects.size).toBeLessThan(30);
});
