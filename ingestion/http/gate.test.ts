import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.js";
import { Gate } from "./gate.js";

describe("the gate of requests", () => {
  it("lets no more through at once than its limit, in the order they came", async () => {
    const gate = new Gate(2, 0, new VirtualClock());
    const order: number[] = [];
    let running = 0;
    let most = 0;
    await Promise.all(
      [0, 1, 2, 3, 4].map(async (n) => {
        const leave = await gate.enter(undefined);
        most = Math.max(most, ++running);
        order.push(n);
        await new Promise((resolve) => setTimeout(resolve, 2));
        running--;
        leave();
        leave();
      }),
    );
    expect(most).toBe(2);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it("keeps the starts of requests apart", async () => {
    const clock = new VirtualClock();
    const gate = new Gate(4, 250, clock);
    const starts: number[] = [];
    for (let n = 0; n < 4; n++) {
      await gate.enter(undefined);
      starts.push(clock.now().getTime());
    }
    expect(starts.map((at) => at - starts[0]!)).toEqual([0, 250, 500, 750]);
  });

  it("holds everything back during a pause", async () => {
    const clock = new VirtualClock();
    const gate = new Gate(4, 0, clock);
    const before = clock.now().getTime();
    gate.pause(30_000);
    gate.pause(10_000);
    await Promise.all([gate.enter(undefined), gate.enter(undefined)]);
    expect(clock.now().getTime() - before).toBeGreaterThanOrEqual(30_000);
  });

  it("gives up waiting on an abort without losing a place", async () => {
    const gate = new Gate(1, 0, new VirtualClock());
    const leave = await gate.enter(undefined);
    const controller = new AbortController();
    const waiting = gate.enter(controller.signal);
    const next = gate.enter(undefined);
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    leave();
    (await next)();
    await expect(gate.enter(undefined)).resolves.toBeTypeOf("function");
  });
});
